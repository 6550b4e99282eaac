"""`facts.store`: what was put in comes out, or nothing does, whatever happens to writers and files."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.errors import ElfError, StoreError
from abiclash.facts.model import SCHEMA, WheelFacts
from abiclash.facts.store import Store, default_root
from abiclash.facts.stored_names import NAMES_PER_FILE, Names, compact
from tests.facts.made_facts import name_tables, same, sorted_names, wheels

if TYPE_CHECKING:
    from abiclash.facts.names_table import NameTable

SHA = "ab" * 32


def _facts(sha: str) -> WheelFacts:
    return WheelFacts(
        name="demo",
        version=sha[-1],
        filename="demo.whl",
        sha256=sha,
        tags=(),
        root_is_purelib=False,
        requires=(),
        requires_python=None,
        modules=(),
        files=(),
        objects=(),
        not_analysed=(),
    )


PLAIN = _facts(SHA)


def some_names(count: int, prefix: str = "_ZN4demo") -> list[Names]:
    texts = [f"{prefix}{number}E".encode() for number in range(count)]
    length = np.array([len(text) for text in texts], dtype=np.uint32)
    start = (np.cumsum(length) - length).astype(np.uint32)
    return compact(sorted_names(np.frombuffer(b"".join(texts), dtype=np.uint8), start, length))


@settings(deadline=None)
@given(wheels(sha256=SHA), st.lists(name_tables(), max_size=3))
def test_a_wheel_comes_back_as_it_was(facts: WheelFacts, tables: list[NameTable]) -> None:
    with tempfile.TemporaryDirectory() as root:
        Store(Path(root)).put(facts, [part for table in tables for part in compact(table)])
        again = Store(Path(root))
        assert same(again.get(SHA), facts)
        expected = {int(table.key[row]): table.name(row) for table in tables for row in range(len(table))}
        keys = np.array([*expected, 12345], dtype=np.uint64)
        assert again.names(SHA, keys) == expected


def test_names_over_several_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    parts = some_names(NAMES_PER_FILE + 10) + some_names(NAMES_PER_FILE + 10, "other")
    store.put(PLAIN, [*parts, *parts[:1]])
    assert len(list(tmp_path.rglob("names-*.parquet"))) == 3
    keys = np.concatenate([parts[0].key[[0, NAMES_PER_FILE, NAMES_PER_FILE + 9]], parts[1].key[-1:]])
    assert set(store.names(SHA, keys).values()) == {
        b"_ZN4demo0E",
        b"_ZN4demo65536E",
        b"_ZN4demo65545E",
        b"other65545E",
    }


def test_names_too_long_to_be_true() -> None:
    count = 1 << 16
    table = np.zeros(1 << 16, dtype=np.uint8)
    start, length = np.zeros(count, dtype=np.uint32), np.full(count, 1 << 16, dtype=np.uint32)
    bad = sorted_names(table[:8], np.zeros(1, np.uint32), np.full(1, 8, np.uint32))
    keys = np.arange(count, dtype=np.uint64)
    with pytest.raises(ElfError, match="more than 2 GiB"):
        compact(type(bad)(keys, start, length, table))


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "removed"])
@pytest.mark.parametrize("file", ["manifest.json", "facts.json.gz", "symbols.parquet", "references.parquet"])
def test_damaged_facts_are_not_believed(tmp_path: Path, file: str, damage: str) -> None:
    store = Store(tmp_path)
    store.put(PLAIN, some_names(3))
    (path,) = tmp_path.rglob(file)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        if damage == "removed":
            path.unlink()
        elif damage == "flipped":
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        else:
            path.write_bytes(b"" if damage == "emptied" else whole[:at])
        found = store.get(SHA)
        assert found is None or same(found, PLAIN)
        store.put(PLAIN, some_names(3))
        assert same(store.get(SHA), PLAIN), "a damaged entry is replaced"


@pytest.mark.parametrize("file", ["keys.parquet", "names-0.parquet"])
def test_damaged_names_are_an_error_and_are_replaced(tmp_path: Path, file: str) -> None:
    store = Store(tmp_path)
    names = some_names(3)
    store.put(PLAIN, names)
    (path,) = tmp_path.rglob(file)
    whole = path.read_bytes()
    path.write_bytes(whole[:30] + b"\0" + whole[31:])
    with pytest.raises(StoreError, match=f"the names of {SHA} are damaged .*{file} is not what was written"):
        store.names(SHA, names[0].key)
    store.put(PLAIN, names)
    assert len(store.names(SHA, names[0].key)) == 3
    with pytest.raises(StoreError, match="nothing is known of"):
        store.names("cd" * 32, names[0].key)


def test_another_schema_is_another_store(tmp_path: Path) -> None:
    Store(tmp_path, schema=1).put(PLAIN, [])
    assert Store(tmp_path, schema=2).get(SHA) is None
    assert same(Store(tmp_path, schema=1).get(SHA), PLAIN)


def test_a_store_that_cannot_be_written_goes_on_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = Store(tmp_path / "file" / "cache")
    with caplog.at_level(logging.WARNING):
        store.put(PLAIN, some_names(3))
        store.put_document("kind-1", SHA, b"document")
    assert same(store.get(SHA), PLAIN)
    assert len(store.names(SHA, some_names(3)[0].key)) == 3
    assert store.get_document("kind-1", SHA) == b"document"
    assert len(caplog.records) == 1
    assert "the cache cannot be written (Not a directory)" in str(store.problem)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        path.touch()
        raise OSError(28, os.strerror(28))

    store = Store(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    store.put(PLAIN, [])
    assert "No space left on device" in str(store.problem)
    assert same(store.get(SHA), PLAIN)
    assert Store(tmp_path).get(SHA) is None
    assert list((tmp_path / f"facts-{SCHEMA}" / "tmp").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_store_is_read(tmp_path: Path) -> None:
    Store(tmp_path).put(PLAIN, [])
    for folder in [tmp_path, *tmp_path.rglob("*")]:
        folder.chmod(folder.stat().st_mode & ~0o222)
    store = Store(tmp_path)
    assert same(store.get(SHA), PLAIN)
    store.put_document("kind-1", SHA, b"document")
    assert "Permission denied" in str(store.problem)


@settings(deadline=None)
@given(st.binary(max_size=100), st.text(min_size=1, max_size=20), st.data())
def test_documents(data: bytes, key: str, draws: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as root:
        store = Store(Path(root))
        assert store.get_document("kind-1", key) is None
        store.put_document("kind-1", key, b"older")
        store.put_document("kind-1", key, data)
        assert store.get_document("kind-1", key) == data
        assert store.get_document("kind-2", key) is None
        (path,) = Path(root).rglob("*.gz")
        whole = path.read_bytes()
        path.write_bytes(whole[: draws.draw(st.integers(0, len(whole) - 1))])
        assert store.get_document("kind-1", key) is None


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("ABICLASH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_root() == Path("/home/someone/.cache/abiclash")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_root() == Path("/var/cache/abiclash")
    monkeypatch.setenv("ABICLASH_CACHE", "/elsewhere")
    assert default_root() == Path("/elsewhere")


def _shas() -> list[str]:
    return [f"{number:064x}" for number in range(6)]


def _write_all(root: Path, rounds: int) -> None:
    for _ in range(rounds):
        for sha in _shas():
            Store(root).put(_facts(sha), some_names(200))


def test_two_writers_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_all, args=(tmp_path, 5)) for _ in range(2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        for sha in _shas():
            found = Store(tmp_path).get(sha)
            assert found is None or same(found, _facts(sha))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert all(same(Store(tmp_path).get(sha), _facts(sha)) for sha in _shas())
    assert list((tmp_path / f"facts-{SCHEMA}" / "tmp").iterdir()) == []


def test_what_killed_writers_left_is_swept_later(tmp_path: Path) -> None:
    left = tmp_path / f"facts-{SCHEMA}" / "tmp" / "1-dead"
    fresh = tmp_path / f"facts-{SCHEMA}" / "tmp" / "2-alive"
    for folder in (left, fresh):
        folder.mkdir(parents=True)
        (folder / "symbols.parquet").write_bytes(b"half")
    os.utime(left, (1_000_000_000, 1_000_000_000))
    Store(tmp_path).put(PLAIN, [])
    assert not left.exists()
    assert fresh.exists()


def test_damage_behind_right_checksums_is_found_too(tmp_path: Path) -> None:
    """What was forged, or torn before its checksum was taken: a panic of the Parquet reader is no end of ours."""
    store = Store(tmp_path)
    names = some_names(3)
    for file in ("symbols.parquet", "references.parquet", "keys.parquet", "facts.json.gz"):
        store.put(PLAIN, names)
        (path,) = tmp_path.rglob(file)
        content = path.read_bytes()[:-3]
        path.write_bytes(content)
        manifest = path.with_name("manifest.json")
        sums = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**sums, file: [len(content), zlib.crc32(content)]}))
        if file == "keys.parquet":
            with pytest.raises(StoreError, match="not a readable Parquet file"):
                store.names(SHA, names[0].key)
        else:
            assert store.get(SHA) is None
        shutil.rmtree(path.parent)

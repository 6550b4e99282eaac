"""`facts.wheel` and `facts.index`: wheel files to facts."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

import abiclash.facts.wheel
from abiclash.errors import NotAnalysed
from abiclash.facts.arena import Arena
from abiclash.facts.content_hash import content_hash
from abiclash.facts.elf import read_object
from abiclash.facts.index import index_wheels
from abiclash.facts.model import WheelFacts
from abiclash.facts.ranges import Ranges
from abiclash.facts.store import Store
from abiclash.facts.wheel import Wheel
from tests.facts.made_facts import same
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable
    from tests.support import Builder, Wheelhouse

DEMO = "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"


def facts_of(path: Path, store: Store, workers: int = 2) -> WheelFacts:
    (facts,) = index_wheels([path], store, workers)
    assert isinstance(facts, WheelFacts), facts
    return facts


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def library(builder: Builder) -> Path:
    return builder.library(
        "libdemo.so", "int demo_one; int demo_two(void) { return demo_one; } extern int demo_needs(void);"
    )


@pytest.mark.compiler
def test_elf_members_are_found_by_content_and_told_by_installed_path(
    tmp_path: Path, library: Path, store: Store
) -> None:
    files: dict[str, str | bytes | Path] = {
        "demo/__init__.py": "import demo._x",
        "demo/_x.so": library,
        "demo/libs/odd-name": library,
        "demo-1.0.data/scripts/tool": library,
        "demo/not_elf.so": "text",
        "demo/tiny.so": b"\x7fE",
    }
    path = make_wheel(tmp_path, files)
    facts = facts_of(path, store)
    assert [found.path for found in facts.objects] == ["../../../bin/tool", "demo/_x.so", "demo/libs/odd-name"]
    assert facts.members == {"../../../bin/tool": "demo-1.0.data/scripts/tool"}
    assert facts.modules == ("demo",)
    assert facts.not_analysed == ()
    expected, table = read_object(Ranges.whole(library.read_bytes()), "demo/_x.so")
    assert same(facts.objects[1], expected)
    assert {b"demo_one", b"demo_two"} <= {table.name(row) for row in range(len(table))}
    assert store.names(facts.sha256, table.key) == {
        int(key): table.name(row) for row, key in enumerate(table.key.tolist())
    }
    listed = {file.path: file for file in facts.files}
    assert listed["demo/_x.so"].size == library.stat().st_size
    assert listed["demo/_x.so"].hash.startswith("sha256=")
    assert same(Store(store.root).get(facts.sha256), facts)


@pytest.mark.compiler
def test_broken_members_cost_only_themselves(tmp_path: Path, library: Path, store: Store) -> None:
    whole = library.read_bytes()
    files: dict[str, str | bytes | Path] = {
        "demo/__init__.py": "",
        "demo/good.so": whole,
        "demo/cut.so": whole[:100],
        "demo/crc.so": whole + b"behind",
    }
    path = make_wheel(tmp_path, files)
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"demo/crc.so", 0, raw.rindex(b"demo-1.0.dist-info/METADATA")) - 46
    assert raw[at : at + 4] == b"PK\x01\x02"
    raw[at + 16 : at + 20] = struct.pack("<I", 1)
    path.write_bytes(raw)
    facts = facts_of(path, store)
    assert [found.path for found in facts.objects] == ["demo/good.so"]
    assert [note.what for note in facts.not_analysed] == [f"{DEMO}!demo/crc.so", f"{DEMO}!demo/cut.so"]
    assert "CRC-32" in facts.not_analysed[0].reason


def test_what_the_metadata_lacks_is_told(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": ""}, record="demo/__init__.py,,7\nother.py,,\n")
    reasons = [note.reason for note in facts_of(path, store).not_analysed]
    assert reasons == [
        "it does not list files that the wheel contains: 2 files, the first is demo-1.0.dist-info/METADATA",
        "it lists files that the wheel does not contain: 1 files, the first is other.py",
        "it states other sizes than the files have: 1 files, the first is demo/__init__.py",
    ]


def test_two_members_at_one_path(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, {"demo/a.py": "1", "demo-1.0.data/platlib/demo/a.py": "2"})
    assert facts_of(path, store).not_analysed == (
        NotAnalysed(f"{DEMO}!demo/a.py", "two members of the wheel are installed at this path"),
    )


def test_one_bad_wheel_costs_only_itself(tmp_path: Path, store: Store) -> None:
    good = make_wheel(tmp_path, {"demo/__init__.py": ""})
    bad, absent = tmp_path / "bad-1-py3-none-any.whl", tmp_path / "absent-1-py3-none-any.whl"
    bad.write_bytes(b"<html>")
    one, two, three, four = index_wheels([absent, good, bad, good], store)
    assert isinstance(one, NotAnalysed)
    assert one.what == str(absent)
    assert "No such file" in one.reason
    assert isinstance(two, WheelFacts)
    assert two is four
    assert isinstance(three, NotAnalysed)
    assert "not a readable zip file" in three.reason


@pytest.mark.compiler
def test_the_number_of_threads_changes_nothing(tmp_path: Path, builder: Builder) -> None:
    paths = []
    for number in range(4):
        library = builder.library(f"lib{number}.so", "".join(f"int v{number}_{i};" for i in range(50 * number)))
        files = {f"demo{number}/{name}.so": library for name in "abc"}
        paths.append(make_wheel(tmp_path, files, name=f"demo{number}"))
    stores = [Store(tmp_path / "one"), Store(tmp_path / "four")]
    one, four = index_wheels(paths, stores[0], 1), index_wheels(paths[::-1], stores[1], 4)[::-1]
    assert all(map(same, one, four))
    contents = [
        {path.relative_to(store.root): path.read_bytes() for path in sorted(store.root.rglob("wheels/**/*.*"))}
        for store in stores
    ]
    assert contents[0] == contents[1]
    assert len(contents[0]) > 4 * 5


def test_a_known_wheel_is_not_opened_again(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": ""})
    facts = facts_of(path, store)
    path.unlink()
    (again,) = index_wheels([path], store, hashes={path: facts.sha256})
    assert same(again, facts)


def test_a_damaged_entry_is_made_again(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": ""})
    facts = facts_of(path, store)
    (document,) = store.root.rglob("facts.json.gz")
    document.write_bytes(document.read_bytes()[:-1])
    assert store.get(facts.sha256) is None
    assert same(facts_of(path, store), facts)
    assert same(store.get(facts.sha256), facts)


@pytest.mark.compiler
def test_facts_do_not_alias_the_buffer_they_were_read_from(tmp_path: Path, library: Path) -> None:
    path = make_wheel(tmp_path, {"demo/a.so": library})
    wheel, arena = Wheel(path), Arena()
    first = wheel.read(wheel.objects[0], arena)
    assert not isinstance(first, NotAnalysed)
    with arena.lease() as allocate:
        allocate(1 << 20)[:] = 0xAA
    second = wheel.read(wheel.objects[0], arena)
    assert not isinstance(second, NotAnalysed)
    assert same(first[0], second[0])
    assert [part.name.to_pylist() for part in first[1]] == [part.name.to_pylist() for part in second[1]]
    wheel.close()


@pytest.mark.compiler
@pytest.mark.parametrize(("front", "passes"), [(64, 2), (1 << 20, 1)])
def test_tables_in_a_dropped_part_are_read_in_a_second_pass(
    tmp_path: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch, front: int, passes: int
) -> None:
    text = "const char filler[3 << 20] = {1};" + "".join(f"int demo_variable_{number};" for number in range(500))
    library = builder.library("libbig.so", text)
    expected, _ = read_object(Ranges.whole(library.read_bytes()), "demo/big.so")
    path = make_wheel(tmp_path, {"demo/big.so": library})
    monkeypatch.setattr(abiclash.facts.wheel, "_FRONT", front)
    monkeypatch.setattr(abiclash.facts.wheel, "_BACK", 64)
    reads: list[int] = []

    def counted(ranges: Ranges, name: str) -> tuple[ObjectFacts, NameTable]:
        reads.append(sum(length for _, length in ranges.kept))
        return read_object(ranges, name)

    monkeypatch.setattr(abiclash.facts.wheel, "read_object", counted)
    wheel = Wheel(path)
    found = wheel.read(wheel.objects[0], Arena())
    assert not isinstance(found, NotAnalysed)
    assert same(found[0].symbols, expected.symbols)
    assert len(reads) == passes
    assert reads[0] < library.stat().st_size - (1 << 20)
    wheel.close()


def test_the_arena_reuses_buffers_and_keeps_its_bound() -> None:
    arena = Arena(spare=32 << 20)
    addresses = set()
    for size in (40 << 20, 1 << 20, 30 << 20):
        with arena.lease() as allocate:
            addresses.add(allocate(size).ctypes.data)
    assert len(addresses) == 1
    with arena.lease() as one, arena.lease() as other:
        held = one(40 << 20), other(20 << 20)
        assert not np.shares_memory(*held)
        assert not arena.fits(20 << 20)
    assert arena.fits(40 << 20)
    arena.expect(50 << 20)
    assert arena.fits(72 << 20)
    with arena.lease() as allocate:
        allocate(200 << 20)
    arena.expect(1 << 20)
    with arena.lease() as allocate:
        assert len(allocate(1 << 20)) == 1 << 20


def test_a_hash_is_remembered_until_the_file_changes(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert content_hash(path, store) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"two")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert content_hash(path, store) == hashlib.sha256(b"one").hexdigest(), "same inode, size and time"
    os.utime(path, (1_000_000_001, 1_000_000_001))
    assert content_hash(path, store) == hashlib.sha256(b"two").hexdigest()
    shutil.copy(path, tmp_path / "copy")
    path.write_bytes(b"six")
    assert content_hash(path, store) == hashlib.sha256(b"six").hexdigest()
    path.write_bytes(b"ten")
    assert content_hash(path, store) == hashlib.sha256(b"ten").hexdigest(), "too young to be remembered"


@pytest.mark.index
def test_a_real_wheel(wheelhouse: Wheelhouse, store: Store) -> None:
    path = wheelhouse("numpy==2.0.0")
    facts = facts_of(path, store)
    assert (facts.name, facts.version, facts.requires_python) == ("numpy", "2.0.0", ">=3.9")
    assert facts.modules == ("numpy",)
    assert facts.not_analysed == ()
    assert len(facts.objects) == 22
    assert {found.path.split("/")[0] for found in facts.objects} == {"numpy", "numpy.libs"}
    umath = next(found for found in facts.objects if "_multiarray_umath." in found.path)
    names = store.names(facts.sha256, umath.symbols.key)
    assert len(names) == len(np.unique(umath.symbols.key))
    assert b"PyInit__multiarray_umath" in names.values()
    assert same(store.get(facts.sha256), facts)


@pytest.mark.compiler
def test_a_fault_of_the_reader_costs_only_its_member(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = builder.library("libx.so", "int x(void) { return 1; }")
    path = make_wheel(tmp_path, {"x/liba.so": library, "x/libb.so": library})

    def faulty(ranges: Ranges, name: str) -> tuple[ObjectFacts, NameTable]:
        if name == "x/liba.so":
            raise IndexError("7 is out\nof bounds")
        return read_object(ranges, name)

    monkeypatch.setattr(abiclash.facts.wheel, "read_object", faulty)
    facts = facts_of(path, Store(tmp_path / "cache"))
    assert [one.path for one in facts.objects] == ["x/libb.so"]
    [unread] = facts.not_analysed
    assert unread.what == f"{path.name}!x/liba.so"
    assert unread.reason.startswith("unexpected fault while reading it (IndexError: 7 is out of bounds)")

"""RECORD's hashes against what the members hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from abiclash.cli import app
from abiclash.facts.record import verify_record
from abiclash.facts.store import Store
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

INIT = "sha256=WFyTZm_LBGt7Jk0_pzICqio4JUroKks7oZ6HPC1amIY"  # of "value = 1\n"
LYING = """\
demo/__init__.py,{init},10
demo/data.bin,{init},3
demo/old.py,md5=4OZN1sLH5M7XcNTe6PpxmA,0
demo/none.py,,
demo-1.0.dist-info/RECORD,,
"""
FILES: dict[str, str | bytes | Path] = {
    "demo/__init__.py": "value = 1\n",
    "demo/data.bin": b"\x7fEL",
    "demo/old.py": "",
    "demo/none.py": "",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_an_honest_record_has_nothing_to_tell(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, FILES)
    assert verify_record(path, "ab" * 32, store) == []


def test_a_lying_record_is_told_with_both_hashes(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, FILES, record=LYING.format(init=INIT))
    found = {entry.what.partition("!")[2]: entry.reason for entry in verify_record(path, "ab" * 32, store)}
    assert set(found) == {"demo/data.bin", "demo/none.py", "demo/old.py"}
    assert found["demo/data.bin"].startswith("its sha256 is ")
    assert f"where RECORD states {INIT.removeprefix('sha256=')}" in found["demo/data.bin"]
    assert "no sha256, sha384 or sha512" in found["demo/old.py"] == found["demo/none.py"]


def test_a_damaged_member_is_told_once_hashed(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": "value = 1\n"}, compression=0)
    path.write_bytes(path.read_bytes().replace(b"value = 1", b"value = 2"))
    [entry] = verify_record(path, "ab" * 32, store)
    assert "CRC-32" in entry.reason


def test_the_answer_is_kept(tmp_path: Path, store: Store) -> None:
    path = make_wheel(tmp_path, FILES, record=LYING.format(init=INIT))
    first = verify_record(path, "ab" * 32, store)
    path.unlink()
    assert verify_record(path, "ab" * 32, store) == first
    store.put_document("record-1", "cd" * 32, b"[1]")
    assert verify_record(make_wheel(tmp_path, FILES), "cd" * 32, store) == []


def test_index_verifies_when_asked_and_check_always(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))
    path = make_wheel(tmp_path, FILES, tag="py3-none-linux_x86_64", record=LYING.format(init=INIT))
    plain = ["index", str(path), "--offline", "--format", "json"]

    def told(arguments: list[str]) -> bool:
        assert app.run(arguments) == 3  # also because RECORD does not list METADATA and WHEEL
        unread = json.loads(capsys.readouterr().out)
        return "where RECORD states" in json.dumps(unread)

    assert not told(plain)
    assert told([*plain, "--verify-record"])
    assert told(["check", str(path), "--offline", "--format", "json"])

"""`facts.archive`: zip files as they arrive, also those that nobody should have made."""

from __future__ import annotations

import struct
import warnings
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abiclash.errors import AbiclashError, NotAnalysed, WheelError
from abiclash.facts.archive import Archive, SourceArchive
from abiclash.facts.arena import Arena
from abiclash.facts.limits import Limits
from abiclash.facts.wheel import Wheel
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

DEMO = "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"


def zipped(path: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    """Write a zip file, duplicates and all."""
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def info(name: str, *, mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    """Return a member's directory entry."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    entry.compress_type = method
    return entry


def rejected(path: Path, limits: Limits | None = None) -> list[NotAnalysed]:
    with Archive(path, limits) as archive:
        return archive.rejected


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (info("/etc/passwd"), "points outside of the wheel"),
        (info("demo/../../evil.so"), "points outside of the wheel"),
        (info(".."), "points outside of the wheel"),
        (info("C:/evil.dll"), "points outside of the wheel"),
        (info("demo\\evil.so"), "a backslash or a control character"),
        (info("demo/a\nb.so"), "a backslash or a control character"),
        (info("n" * 2000), "2000 characters, more than the limit of 1024 (--limit name=1024)"),
        (info("demo/link.so", mode=0o120777), "a symbolic link"),
        (info("demo/x.so", method=zipfile.ZIP_LZMA), "compression method 14 is not supported"),
        (info("demo/x.so", method=zipfile.ZIP_BZIP2), "compression method 12 is not supported"),
    ],
)
def test_a_bad_member_costs_only_itself(tmp_path: Path, member: zipfile.ZipInfo, reason: str) -> None:
    path = zipped(tmp_path / DEMO, ("good.py", b"1"), (member, b"data"))
    with Archive(path) as archive:
        assert [one.name for one in archive.members] == ["good.py"]
        (note,) = archive.rejected
        assert note.what == f"{DEMO}!{member.filename}"[: len(DEMO) + 1025]
        assert reason in note.reason
        assert archive.read(archive.members[0]) == b"1"


def test_the_same_name_twice(tmp_path: Path) -> None:
    twice = zipped(tmp_path / "twice.whl", ("a.py", b"same"), ("b.py", b"1"), ("b.py", b"2"), ("a.py", b"same"))
    with Archive(twice) as archive:
        assert [member.name for member in archive.members] == ["a.py"]
        assert archive.rejected == [
            NotAnalysed("twice.whl!b.py", "its name occurs more than once, with different contents")
        ]


def test_an_encrypted_member(tmp_path: Path) -> None:
    path = zipped(tmp_path / DEMO, ("secret.so", b"x"))
    raw = bytearray(path.read_bytes())
    raw[6] |= 1  # general purpose bit 0 of the local header, and of the directory entry
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    assert rejected(path) == [NotAnalysed(f"{DEMO}!secret.so", "it is encrypted")]


def test_overlapping_members(tmp_path: Path) -> None:
    """The trick of zip bombs: many directory entries that share one piece of data."""
    path = zipped(tmp_path / DEMO, ("one.so", b"x" * 100), ("two.so", b"y" * 100))
    raw = bytearray(path.read_bytes())
    first = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", first + 4)
    raw[second + 42 : second + 46] = struct.pack("<I", 0)
    path.write_bytes(raw)
    assert {note.reason for note in rejected(path)} == {"its data overlaps another member"}
    assert len(rejected(path)) == 2


def test_a_local_header_that_says_something_else(tmp_path: Path) -> None:
    path = zipped(tmp_path / DEMO, ("one.py", b"x" * 100))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"one.py", b"two.py", 1))
    with Archive(path) as archive, pytest.raises(WheelError, match="local header names another file"):
        archive.read(archive.members[0])
    path.write_bytes(raw.replace(b"PK\x03\x04", b"PK\x03\x05", 1))
    with Archive(path) as archive, pytest.raises(WheelError, match="no local header"):
        archive.read(archive.members[0])


def test_limits_on_the_directory(tmp_path: Path) -> None:
    path = zipped(tmp_path / DEMO, *((f"{number}.py", b"") for number in range(20)))
    with pytest.raises(WheelError, match="20 members, more than the limit of 19"):
        Archive(path, Limits(members=19))
    with pytest.raises(
        WheelError, match=r"directory has \d+ bytes, more than the limit of 100 \(--limit directory=100\)"
    ):
        Archive(path, Limits(directory=100))
    with Archive(path, Limits(text=0)) as archive:
        assert archive.read(archive.members[0]) == b""


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>not found</html>" * 9, b"PK\x05\x06" + bytes(10)])
def test_no_zip_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / DEMO
    path.write_bytes(content)
    with pytest.raises(WheelError, match=f"{path}: not a readable zip file"):
        Archive(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match=r"cannot be opened \(No such file or directory\)"):
        Archive(tmp_path / DEMO)


def test_a_truncated_wheel(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": "x = 1\n" * 100})
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(WheelError):
            Archive(path)


def test_a_prefix_before_the_zip_file_is_allowed(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, {"demo/__init__.py": "x = 1\n"})
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    with SourceArchive(path) as source:
        assert source.read("demo/__init__.py") == b"x = 1\n"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6))
def test_any_bytes_give_facts_or_an_error_of_ours(tmp_path: Path, edits: list[tuple[int, bytes]]) -> None:
    files = {"demo/__init__.py": b"import os\n", "demo/_x.so": b"\x7fELF" + bytes(200), "demo/data.bin": bytes(64)}
    path = make_wheel(tmp_path, files)
    raw = bytearray(path.read_bytes())
    for at, patch in edits:
        begin = at % len(raw)
        raw[begin : begin + len(patch)] = patch
    path.write_bytes(raw)
    try:
        wheel = Wheel(path)
    except AbiclashError:
        return
    read = [wheel.read(member, Arena()) for member in wheel.objects]
    failures = [one for one in read if isinstance(one, NotAnalysed)]
    facts = wheel.facts("0" * 64, [one[0] for one in read if not isinstance(one, NotAnalysed)], failures)
    assert set(failures) <= set(facts.not_analysed)
    wheel.close()


def test_source_archive_reads_by_installed_path(tmp_path: Path) -> None:
    files = {"demo/a.py": "a = 1\n", "demo-1.0.data/purelib/demo/b.py": "b = 2\n", "demo-1.0.data/scripts/run": "#!"}
    path = make_wheel(tmp_path, files)
    with SourceArchive(path, Limits(text=100)) as source:
        assert {"demo/a.py", "demo/b.py", "../../../bin/run"} <= set(source.files())
        assert source.files() == sorted(source.files())
        assert source.read("demo/b.py") == b"b = 2\n"
        with pytest.raises(WheelError, match=r"demo/c\.py: the wheel has no such file"):
            source.read("demo/c.py")
        with pytest.raises(WheelError, match=r"RECORD: it has \d+ bytes of text, more than the limit of 100"):
            source.read("demo-1.0.dist-info/RECORD")


def test_an_empty_zip_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / DEMO)
    wheel = Wheel(path)
    assert wheel.objects == []
    assert {note.reason for note in wheel.facts("0" * 64, [], []).not_analysed} == {"the wheel has no such file"}
    wheel.close()

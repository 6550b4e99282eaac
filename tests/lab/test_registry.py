"""The hypothesis that two packages enter one name into one registry: its edits, and an investigation of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.lab.environments import make_environment
from abiclash.lab.investigate import programs
from abiclash.lab.investigate.investigation import Setup, investigate
from abiclash.lab.investigate.registry import entries, entry, other_name, renamed
from abiclash.lab.investigate.result import Role, Status
from abiclash.lab.run import Limits
from abiclash.reports.investigation import markdown
from abiclash.rules.model import Audience, Confidence, Finding, Severity
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

_POOL = """
names = {}
def enter(name, content):
    if names.setdefault(name, content) != content:
        raise TypeError("duplicate file name " + name.decode())
"""
_ONE = "import pool\npool.enter(b'\\x63ommon.proto', 1)\npool.enter(b'mine.proto', 1)\n"  # protoc escapes letters
_TWO = "import pool\npool.enter(b'\\x63ommon.proto', 2)\n"


@pytest.mark.parametrize(
    ("name", "raw", "other"),
    [
        ("ObjSense", "8ObjSense", "8ObjSensQ"),
        ("a::Type", "N1a4TypeE", "N1Q4TypeE"),
        ("common.proto", "common.proto", "commoQ.proto"),
        ("dir/common.proto", "dir/common.proto", "dir/commoQ.proto"),
        ("endsInQ", "7endsInQ", "7endsInR"),
    ],
)
def test_entries_get_other_names_of_equal_length(name: str, raw: str, other: str) -> None:
    assert (entry(name), other_name(raw)) == (raw, other)


def test_only_whole_strings_of_an_object_are_entries() -> None:
    data = b"\x7fELF\0" + b"8ObjSense\0PF8ObjSenseE\0" + b"7wrapperIdE\0" + b"9ObjSense\0"
    assert entries(data) == {"8ObjSense", "7wrapperIdE"}
    assert renamed(data, ["8ObjSense"]) == data.replace(b"\0" + b"8ObjSense\0", b"\0" + b"8ObjSensQ\0")


def test_source_is_searched_without_the_first_letter() -> None:
    assert renamed(rb"add(b'\n\x0c\x63ommon.proto')", ["common.proto"]) == rb"add(b'\n\x0c\x63ommoQ.proto')"


def test_a_name_entered_twice_is_proven(tmp_path: Path) -> None:
    wheels = [
        make_wheel(tmp_path, {"pool/__init__.py": _POOL}, name="pool", tag="py3-none-any"),
        make_wheel(
            tmp_path,
            {"one/__init__.py": "", "one/common_pb2.py": _ONE, "one/mine_pb2.py": ""},
            name="one",
            tag="py3-none-any",
        ),
        make_wheel(tmp_path, {"two/__init__.py": "", "two/common_pb2.py": _TWO}, name="two", tag="py3-none-any"),
    ]
    finding = Finding(
        id="shared-registry-00000000",
        rule="shared-registry",
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        audience=Audience.USER,
        packages=(),
        summary="one and two register 1 descriptor file of one name.",
        explanation="",
        advice=(),
        objects=("one/common_pb2.py", "two/common_pb2.py"),
        evidence={"registry": "a pool", "files": ["common.proto"]},
    )
    setup = Setup(
        environment=make_environment([str(wheel) for wheel in wheels], sys.executable, tmp_path / "environments"),
        targets=("one", "two"),
        programs=programs.imports(["one.common_pb2", "two.common_pb2"]),
        base=sys.executable,
        cache=tmp_path,
        findings=(finding,),
        limits=Limits(60),
    )
    found = investigate(setup)
    assert found.cause is not None
    assert found.cause.status is Status.PROVEN
    assert (found.cause.suspect.kind, found.cause.suspect.object) == ("registry", "one/common_pb2.py")
    assert (found.cause.removing, found.cause.restoring) == (("common.proto",), ("common.proto",))
    placebos = [each for each in found.cause.attempts if each.role is Role.PLACEBO]
    assert [(each.symbols, each.good) for each in placebos] == [(("mine.proto",), True), ((), True)]
    assert "enters `common.proto` under another name, and `common.proto` alone brings it" in markdown(found, "")

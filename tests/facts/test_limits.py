"""Limits are options: what goes beyond one is refused, the limit is named, and raising it is enough."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from abiclash.cli.app import run
from abiclash.errors import NotAnalysed, UsageError, WheelError
from abiclash.facts.archive import Archive
from abiclash.facts.index import index_wheels
from abiclash.facts.limits import Limits, set_limit
from abiclash.facts.model import WheelFacts
from abiclash.facts.store import Store
from tests.facts.elf_files import read
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test puts into the environment goes with it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_amounts_come_from_the_environment() -> None:
    assert Limits.load({}) == Limits()
    given = {
        "ABICLASH_MAX_MEMBER": "2G",
        "ABICLASH_MAX_NAME": "10",
        "ABICLASH_MAX_TEXT": " 3kB ",
        "ABICLASH_MAX_RATIO": "",
    }
    assert Limits.load(given) == Limits(member=2 << 30, name=10, text=3 << 10)
    for wrong in ("2X", "-1", "1.5G", "many"):
        with pytest.raises(UsageError, match=r"ABICLASH_MAX_TOTAL=.*not an amount"):
            Limits.load({"ABICLASH_MAX_TOTAL": wrong})


@pytest.mark.parametrize("text", ["member", "size=1", "=1", "member=big"])
def test_a_limit_that_makes_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match=r"--limit .*(?:write NAME=AMOUNT|not an amount)"):
        set_limit(text)
    assert run(["--limit", text, "rules"]) == 2


def facts_of(path: Path, root: Path) -> list[NotAnalysed]:
    (facts,) = index_wheels([path], Store(root))
    return list(facts.not_analysed) if isinstance(facts, WheelFacts) else [facts]


def test_a_refused_member_is_read_when_the_limit_is_raised(tmp_path: Path) -> None:
    """What was refused is not remembered under another limit, and what was read is not forgotten."""
    path = make_wheel(tmp_path, {"demo/_x.so": b"\x7fELF" + bytes(5000)})
    usual = facts_of(path, tmp_path / "cache")
    assert "limit" not in usual[0].reason
    set_limit("member=1K")
    (note,) = facts_of(path, tmp_path / "cache")
    assert note.what == f"{path.name}!demo/_x.so"
    assert note.reason == "it inflates to 5004 bytes, more than the limit of 1024 (--limit member=1024)"
    set_limit("member=8G")
    assert facts_of(path, tmp_path / "cache") == usual


def test_a_bomb_of_many_members(tmp_path: Path) -> None:
    """Each member is within its limits, all together are not; nothing of it is inflated."""
    path = make_wheel(tmp_path, {f"demo/{number}.bin": bytes(100_000) for number in range(20)})
    set_limit("total=1M")
    with pytest.raises(
        WheelError, match=r"its members have 200\d{4} bytes, more than the limit of 1048576 \(--limit total"
    ):
        Archive(path)


def test_a_bomb_in_a_scan_costs_only_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """64 KiB that inflate to 64 MiB and more: told with the limit's name, exit status 3."""
    bomb = make_wheel(tmp_path, {"demo/_x.so": b"\x7fELF" + bytes(80 << 20)})
    good = make_wheel(tmp_path, {"good/__init__.py": "x = 1\n"}, name="good")
    command = ["scan", str(bomb), str(good), "--offline", "--format", "json", "--cache", str(tmp_path / "cache")]
    assert run(command) == 3
    told = json.loads(capsys.readouterr().out)
    assert [note["reason"] for note in told["not_analysed"]] == [
        "demo/_x.so: its inflated bytes to its packed ones are more than the limit of 250 (--limit ratio=250)"
    ]
    assert {package["name"] for package in told["packages"]} == {"good"}


def test_a_record_that_lies_is_told(tmp_path: Path) -> None:
    record = "demo/__init__.py,sha256=AAAA,999999\ndemo/absent.py,,3\n../../etc/passwd,,\n"
    path = make_wheel(tmp_path, {"demo/__init__.py": "x = 1\n", "demo/more.py": ""}, record=record)
    reasons = " ".join(note.reason for note in facts_of(path, tmp_path / "cache"))
    for words in ("lists files that the wheel does not contain: 2", "does not list files", "states other sizes"):
        assert words in reasons


def test_compression_that_is_not_read(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, {"demo/_x.so": b"\x7fELF" + bytes(99)}, compression=zipfile.ZIP_LZMA)
    notes = facts_of(path, tmp_path / "cache")
    assert "its compression method 14 is not supported" in {note.reason for note in notes}


@pytest.mark.compiler
def test_a_name_of_a_megabyte_is_read_and_shown_short(builder: Builder) -> None:
    name = "n" * (1 << 20)
    source = f"\t.globl {name}\n\t.type {name}, @object\n\t.data\n{name}:\t.long 1\n\t.size {name}, 4\n"
    facts, table = read(builder.library("liblong.so", source, language="assembler", flags=["-nostdlib"]))
    assert [len(table.name(row)) for row in range(len(table))] == [1 << 20]
    assert len(facts.symbols.key) == 1

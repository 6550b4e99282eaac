"""The main job from the command line, on a conflict made of text.

Both packages bring librt.so.1, so the first one's copy serves both. `first` also exports its own `state`, which
captures librt's reference when `first` is imported first; `second` uses librt's `state` and calls into librt.
"""

from __future__ import annotations

import importlib.machinery
import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from abiclash.cli import app
from abiclash.reports.json import schema
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.compiler

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
RUNTIME = "int state; int get(void) { return state; }"
LEAK = "int state; int leak(void) { return state; }"
FIRST = "int leak(void), get(void); int PyInit__x(void) { return leak() + get(); }"
SECOND = """
extern int state; int get(void);
__attribute__((constructor)) static void begin(void) { state = 1; get(); }
int PyInit__x(void) { return get(); }
"""


@pytest.fixture
def wheels(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))
    runtime = builder.library("librt.so.1", RUNTIME)
    leak = builder.library("libleak.so", LEAK, libs=[runtime], runpath="$ORIGIN")
    first = builder.library(f"_x{SUFFIX}", FIRST, libs=[leak, runtime], runpath="$ORIGIN", into=tmp_path / "1")
    second = builder.library(f"_x{SUFFIX}", SECOND, libs=[runtime], runpath="$ORIGIN", into=tmp_path / "2")
    made = []
    for name, module, extra in (("first", first, [leak]), ("second", second, [])):
        files: dict[str, str | Path] = {f"{name}/{path.name}": path for path in (module, runtime, *extra)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        made.append(make_wheel(tmp_path / "dist", files, name=name, tag="py3-none-linux_x86_64"))
    return [str(path) for path in made]


def test_conflict_is_found_with_its_orders(wheels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["scan", *wheels, "--offline", "--format", "json"]) == 1
    result = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(schema())).validate(result)
    verdicts = {tuple(entry["order"]): entry["verdict"] for entry in result["orders"]}
    assert verdicts == {("first", "second"): "conflict", ("second", "first"): "clean"}
    [finding] = [found for found in result["findings"] if found["severity"] == "error"]
    assert (finding["rule"], finding["failing_order"], finding["safe_order"]) == (
        "split-state",
        ["first", "second"],
        ["second", "first"],
    )
    assert [symbol["name"] for symbol in finding["symbols"]] == ["state"]


def test_verdict_for_people(wheels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["scan", *wheels, "--offline"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[:2] for line in lines[:2]] == [["first, second", "conflict"], ["second, first", "clean"]]
    assert all(line.endswith(" references resolved") for line in lines[:2])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--fail-on", "never"], 0), (["--order", "given"], 1), (["--order", "given", "--fail-on", "never", "-q"], 0)],
)
def test_options_decide_the_status(wheels: list[str], arguments: list[str], status: int) -> None:
    assert app.run(["scan", *wheels, "--offline", *arguments]) == status


def test_the_other_order_alone_is_clean(wheels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["scan", *reversed(wheels), "--offline", "--order", "given"]) == 0
    assert capsys.readouterr().out.startswith("second, first  clean  ")


def test_equal_input_gives_equal_bytes(wheels: list[str], tmp_path: Path) -> None:
    reports = [tmp_path / "one.json", tmp_path / "two.json"]
    for report in reports:
        app.run(["scan", *wheels, "--offline", "--format", "json", "-o", str(report)])
    assert reports[0].read_bytes() == reports[1].read_bytes()


def test_unreadable_member_is_told_and_decides_the_status(
    wheels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = make_wheel(
        tmp_path / "dist", {"third/bad.so": b"\x7fELF" + bytes(60)}, name="third", tag="py3-none-linux_x86_64"
    )
    assert app.run(["scan", wheels[1], str(damaged), "--offline"]) == 3
    assert "third/bad.so" in capsys.readouterr().out.partition("Not analysed")[2]


def test_bindings_change_in_company(wheels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    common = ["bindings", *wheels, "--offline", "--symbol", "state"]
    assert app.run([*common, "--diff", "first,second", "second,first"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = {
        (row["from"].rpartition("site-packages/")[2], row["first"] and row["first"].rpartition("/")[2]) for row in rows
    }
    assert ("first/librt.so.1", "libleak.so") in ends
    assert app.run([*common, "--order", "second"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["to"].rpartition("site-packages/")[2] for record in records} == {"second/librt.so.1"}
    assert app.run(["bindings", *wheels, "--offline", "--order", "first,absent"]) == 2
    assert "absent: no package of this set; there are first, second" in capsys.readouterr().err


def test_plan_names_the_line_that_causes_a_load(wheels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["plan", *wheels, "--offline", "--format", "jsonl"]) == 0
    loads = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [load["package"] for load in loads] == ["first", "second"]
    assert {(load["certainty"], load["cause"]["kind"], load["cause"]["line"]) for load in loads} == {
        ("certain", "source", 1)
    }
    assert app.run(["plan", *wheels, "--offline", "--import", "second"]) == 0
    assert f"second/_x{SUFFIX}" in capsys.readouterr().out

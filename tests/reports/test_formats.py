"""Every format of a scan: reviewed snapshots of three cases, and names of strangers that come out inert."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.control.view import View
from abiclash.errors import NotAnalysed
from abiclash.reports.formats import FORMATS, Report, render
from abiclash.rules.model import Advice, PackageId, ScannedPackage, Severity
from tests.reports.cases import CASES, REAL, hostile_report, report_of

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

OURS = tuple(form for form in FORMATS if form != "html")
_NAMES = st.text(st.characters(exclude_categories=[]), max_size=30) | st.sampled_from(
    ["\x1b[31mred\x1b]8;;http://evil\x07", "gnp.\u202etxt", "a\x00b", "<script>alert(1)</script>", "]]>", "`@all` #1"]
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("form", OURS)
def test_snapshot(form: str, case: str, snapshot: SnapshotAssertion) -> None:
    text = render(form, report_of(case))
    if form == "sarif":  # the words of a rule's page are not this test's
        text = _without_help(text)
    assert text == snapshot


def _without_help(text: str) -> str:
    log = json.loads(text)
    for rule in log["runs"][0]["tool"]["driver"]["rules"]:
        rule["help"] = rule["fullDescription"] = "..."
    return json.dumps(log, indent=2)


@pytest.mark.parametrize("form", OURS)
def test_all_tell_what_was_not_analysed(form: str) -> None:
    text = render(form, report_of("unread"))
    assert "truncated at byte 4096" in text
    assert "no program header table" in text


@pytest.mark.parametrize("form", ["text", "json", "sarif", "markdown", "junit"])
def test_all_tell_the_finding(form: str) -> None:
    assert REAL.findings[0].id in render(form, report_of("conflict"))


@pytest.mark.parametrize("form", OURS)
def test_hostile_names_come_out_inert(form: str) -> None:
    text = render(form, hostile_report())
    assert text.encode()  # no lone surrogates
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert len(text) < 1_000_000
    _reads(form, text)


@given(_NAMES, _NAMES, _NAMES)
@settings(max_examples=25, deadline=None)
def test_any_name_in_any_place(package: str, path: str, symbol: str) -> None:
    [finding] = REAL.findings
    finding = replace(
        finding,
        packages=(PackageId(package, path), PackageId("other", "1")),
        failing_order=(package, "other"),
        safe_order=("other", package),
        objects=(path, "lib.so"),
        symbols=(symbol,),
        summary=f"{package} and {path}: {symbol}",
        explanation=f"{symbol}\n\n{path}",
        advice=(Advice(f"maintainer of {package}", path),),
        evidence={"bindings": [{"symbol": symbol, "from": path, "to": package}], symbol: [path]},
    )
    result = replace(
        REAL,
        targets=(package,),
        packages=(ScannedPackage(package, path, symbol, "ab" * 32, (symbol,)), ScannedPackage("other", "1")),
        findings=(finding,),
        not_analysed=(NotAnalysed(path, symbol),),
    )
    for form in OURS:
        report = Report(result, View((finding,), counted=(finding,)), threshold=Severity.ERROR)
        text = render(form, report)
        assert text.encode()
        assert all(char.isprintable() or char in "\n\t" for char in text)
        _reads(form, text)


def _reads(form: str, text: str) -> None:
    if form in ("json", "sarif", "cyclonedx"):
        json.loads(text)
    elif form == "junit":
        ET.fromstring(text)  # noqa: S314 - our own text
    elif form == "markdown":
        assert len(text) < 65_536
        assert not re.search(r"<script|(?<!\\)\]\(|@\w|://\w", _outside_code(text))


def _outside_code(text: str) -> str:
    """Return Markdown without its code spans (CommonMark 6.1: a run of backticks, up to the next of equal length)."""
    kept, at = [], 0
    while (start := text.find("`", at)) >= 0:
        kept.append(text[at:start])
        length = len(text[start:]) - len(text[start:].lstrip("`"))
        if text[start - 1 : start] == "\\":
            at = start + 1
            continue
        end = start + length
        while (end := text.find("`" * length, end)) >= 0:
            run = len(text[end:]) - len(text[end:].lstrip("`"))
            if run == length:
                break
            end += run
        if end < 0:
            return "".join([*kept, text[start:]])
        at = end + length
    return "".join([*kept, text[at:]])


# -- JUnit --------------------------------------------------------------------------------------------------------


def test_junit_counts() -> None:
    report = replace(report_of("conflict"), threshold=Severity.ERROR)
    root = ET.fromstring(render("junit", report))  # noqa: S314 - our own text
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "2",
        "errors": "0",
        "skipped": "1",
    }
    failing = [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]
    assert failing == ["import pyarrow, tensorflow", "pyarrow with tensorflow"]


@pytest.mark.parametrize(("threshold", "failures"), [(Severity.ERROR, 2), (Severity.NOTE, 2), (None, 0)])
def test_junit_fails_as_the_run_does(threshold: Severity | None, failures: int) -> None:
    root = ET.fromstring(render("junit", replace(report_of("conflict"), threshold=threshold)))  # noqa: S314
    assert root.get("failures") == str(failures)


# -- Markdown -----------------------------------------------------------------------------------------------------


def test_markdown_stays_below_the_limit() -> None:
    [finding] = REAL.findings
    many = tuple(replace(finding, id=f"split-state-{number:08x}", explanation="x" * 5000) for number in range(100))
    text = render("markdown", Report(replace(REAL, findings=many), View(many, counted=many)))
    assert len(text) < 65_536
    assert "more parts" in text


def test_a_code_span_holds_backticks() -> None:
    from abiclash.reports.markdown import code  # noqa: PLC0415

    assert code("a``b") == "```a``b```"
    assert code("`a`") == "`` `a` ``"
    assert _outside_code(f"x {code('`](')} y") == "x  y"

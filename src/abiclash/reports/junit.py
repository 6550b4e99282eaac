"""A scan as JUnit XML: a test for each import order, for each pair of packages, and for each part that was not read.

A test fails for findings that fail the run (at or above --fail-on, not suppressed, not known); what could not be
analysed is skipped.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from abiclash.reports.orders import whole
from abiclash.reports.safe import name, prose
from abiclash.rules.judging import concerns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.reports.formats import Report
    from abiclash.rules.model import Finding

_PAIRS_UP_TO = 60
"""Of larger sets only those packages are tests that a finding names: 100 packages make 4,950 pairs."""
_ORDER = 1000


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    root = ET.Element("testsuites", name="abiclash")
    counted = _failing(report)
    _orders(root, report, counted)
    _packages(root, report, counted)
    _unread(root, report)
    suites = list(root)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _failing(report: Report) -> list[Finding]:
    least = report.threshold
    return [f for f in report.view.counted if least is not None and f.severity.rank <= least.rank]


def _suite(root: ET.Element, title: str) -> ET.Element:
    return ET.SubElement(root, "testsuite", name=title)


def _sum_up(suite: ET.Element) -> None:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))


def _case(suite: ET.Element, group: str, title: str, findings: Sequence[Finding]) -> None:
    case = ET.SubElement(suite, "testcase", classname=f"abiclash.{group}", name=title)
    if findings:
        message = "; ".join(name(finding.summary, 300) for finding in findings[:5])
        failure = ET.SubElement(case, "failure", message=message, type=findings[0].rule)
        failure.text = "\n\n".join(_told(finding) for finding in findings)


def _told(finding: Finding) -> str:
    lines = [f"{finding.severity.value} {name(finding.rule)} ({name(finding.id)})", prose(finding.summary, 2000)]
    if finding.failing_order is not None:
        lines.append(f"fails: {whole(finding.failing_order)}")
    if finding.safe_order is not None:
        lines.append(f"works: {whole(finding.safe_order)}")
    lines += [f"- {name(advice.who)}: {name(advice.text, 1000)}" for advice in finding.advice]
    return "\n".join([*lines, prose(finding.explanation, 4000)])


def _orders(root: ET.Element, report: Report, counted: Sequence[Finding]) -> None:
    """An order fails for what depends on it and for what fails in all of them."""
    suite = _suite(root, "import orders")
    for verdict in report.result.orders:
        found = [finding for finding in counted if concerns(finding, verdict.order)]
        _case(suite, "orders", name(f"import {', '.join(verdict.order)}", _ORDER), found)
    _sum_up(suite)


def _packages(root: ET.Element, report: Report, counted: Sequence[Finding]) -> None:
    """A test for each pair of packages that were asked for, and for whatever else findings name."""
    suite = _suite(root, "packages")
    asked = list(dict.fromkeys(package for verdict in report.result.orders for package in verdict.order))
    few = asked if len(asked) <= _PAIRS_UP_TO else []
    tests: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    tests |= {tuple(sorted(pair)): [] for pair in combinations(few, 2)}
    for finding in counted:
        tests[tuple(sorted({package.name for package in finding.packages}))].append(finding)
    for packages in sorted(tests):
        title = " with ".join(name(package) for package in packages) or "all packages"
        _case(suite, "packages", title, tests[packages])
    _sum_up(suite)


def _unread(root: ET.Element, report: Report) -> None:
    suite = _suite(root, "not analysed")
    for entry in sorted(set(report.result.not_analysed)):
        case = ET.SubElement(suite, "testcase", classname="abiclash.not_analysed", name=name(entry.what))
        ET.SubElement(case, "skipped", message=prose(entry.reason, 1000))
    _sum_up(suite)

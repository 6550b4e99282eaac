"""Findings as the page tells them: grouped by cause, plain words first, evidence below."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from abiclash.reports import orders
from abiclash.reports.html.evidence import evidence
from abiclash.reports.safe import name, prose
from abiclash.rules.model import Severity
from abiclash.rules.registry import rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.control.view import View
    from abiclash.rules.model import Finding

GROUP = 100
"""Findings of one cause that are told."""
_SENTENCE = 2000


def groups(view: View, names: Mapping[str, str]) -> list[dict[str, object]]:
    """Return [{"rule", "title", "mechanism", "severity", "findings", "count"}], the gravest first.

    names: raw symbol -> demangled form, where there is one.
    """
    titles = {entry.rule.id: entry.rule for entry in rules()}
    found: list[dict[str, object]] = []
    place: dict[str, int] = {}  # a cause stands where its gravest finding stands
    for number, finding in enumerate(view.findings):
        place.setdefault(finding.rule, number)
    ordered = sorted(view.findings, key=lambda finding: (finding.severity.rank, place[finding.rule]))
    for (severity, rule), same in groupby(ordered, key=lambda finding: (finding.severity, finding.rule)):
        members = list(same)
        known = titles.get(rule)
        found.append(
            {
                "rule": name(rule),
                "title": known.title if known else name(rule),
                "mechanism": known.mechanism.value if known else "",
                "severity": severity.value,
                "folded": severity is Severity.NOTE,
                "findings": [_finding(finding, view, names) for finding in members[:GROUP]],
                "count": len(members),
            }
        )
    return found


def accepted(view: View) -> list[dict[str, str]]:
    """Return what the user has decided to live with: [{"id", "summary", "reason", "until"}]."""
    return [
        {
            "id": name(finding.id),
            "summary": prose(finding.summary, _SENTENCE),
            "reason": prose(view.suppressed[finding.id].reason, _SENTENCE),
            "until": view.suppressed[finding.id].expires.isoformat(),
        }
        for finding in view.accepted
    ]


def _finding(finding: Finding, view: View, names: Mapping[str, str]) -> dict[str, object]:
    about = [package.name for package in finding.packages]
    return {
        "id": name(finding.id),
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "audience": finding.audience.value,
        "packages": [name(str(package)) for package in finding.packages],
        "summary": prose(finding.summary, _SENTENCE),
        "paragraphs": [part for part in prose(finding.explanation).split("\n\n") if part.strip()],
        "fails": None if finding.failing_order is None else orders.around(finding.failing_order, about),
        "works": None if finding.safe_order is None else orders.around(finding.safe_order, about),
        "silent": finding.silent,
        "known": finding.id in view.known,
        "open": finding.severity is Severity.ERROR,
        "advice": [_advice(each.who, each.text, checked=each.checked) for each in finding.advice],
        "evidence": evidence(finding, names),
    }


def _advice(who: str, text: str, *, checked: bool) -> dict[str, object]:
    return {"who": "you" if who == "user" else name(who), "text": prose(text, _SENTENCE), "checked": checked}

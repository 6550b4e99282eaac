"""A scan as SARIF 2.1.0 (OASIS), as code-scanning services take it.

GitHub's rules for uploads: relative URIs, a line for each result, partial fingerprints, at most 5,000 results that
are shown, at most 20 tags for a rule.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.reports.json import finding_values, host_values, package_values
from abiclash.reports.orders import whole
from abiclash.reports.places import Place, place_of, places
from abiclash.reports.safe import inert, name, prose
from abiclash.reports.symbols import readable
from abiclash.rules.model import Confidence, Finding, Severity
from abiclash.rules.registry import rules, sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from abiclash.errors import NotAnalysed
    from abiclash.reports.formats import Report
    from abiclash.rules.registry import Registered

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RESULTS = 5_000
LISTED = 100
_RANKS = {Severity.ERROR: 90.0, Severity.WARNING: 50.0, Severity.NOTE: 10.0}
_SURER = {Confidence.CERTAIN: 9.0, Confidence.LIKELY: 0.0, Confidence.POSSIBLE: -9.0}
_PRECISION = {Confidence.CERTAIN: "very-high", Confidence.LIKELY: "high", Confidence.POSSIBLE: "medium"}
_PROBLEM = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "recommendation"}


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    return json.dumps(inert(document(report)), indent=2) + "\n"


def document(report: Report) -> dict[str, object]:
    """Return the log as JSON values: one run."""
    result, view = report.result, report.view
    findings = [*view.findings, *view.accepted]
    shown = findings[:RESULTS]
    known = {entry.rule.id: entry for entry in rules()}
    used = {rule: index for index, rule in enumerate(sorted({finding.rule for finding in shown}))}
    where = places(result.packages, report.manifests)
    return log(
        category=f"{name(result.host.profile)}-{name(result.host.python)}",
        version=result.version,
        descriptors=[descriptor(rule, known.get(rule)) for rule in used],
        results=[_result(finding, used, where, report) for finding in shown],
        notifications=notifications(report.result.not_analysed, len(findings) - len(shown)),
        properties=_properties(report),
    )


def log(
    *,
    category: str,
    version: str,
    descriptors: Sequence[Mapping[str, object]],
    results: Sequence[Mapping[str, object]],
    notifications: Iterable[Mapping[str, object]],
    properties: Mapping[str, object],
) -> dict[str, object]:
    """Return a log of one run. category: what tells runs apart whose results must not replace each other."""
    run = {
        "tool": {
            "driver": {
                "name": "abiclash",
                "version": version,
                "rules": descriptors,
                "notifications": [
                    {"id": "not-analysed", "shortDescription": {"text": "A part of the input could not be judged."}},
                    {"id": "left-out", "shortDescription": {"text": "More results than code scanning shows."}},
                ],
            }
        },
        "automationDetails": {"id": f"abiclash/{category}/"},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(notifications)}],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": properties,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


# -- rules --------------------------------------------------------------------------------------------------------


def descriptor(identity: str, entry: Registered | None) -> dict[str, object]:
    """Return a reportingDescriptor; entry: None for a rule of another version, known by its results only."""
    if entry is None:
        return {"id": identity, "shortDescription": {"text": identity}}
    about, parts = entry.rule, sections(entry.doc)
    first = " ".join(parts[""].split())
    return {
        "id": about.id,
        "name": "".join(word.capitalize() for word in about.id.split("-")),
        "shortDescription": {"text": literal(f"{about.title}.")},
        "fullDescription": {"text": literal(first or f"{about.title}.")},
        "help": {"text": literal(f"abiclash rules {about.id}"), "markdown": _help(entry, parts)},
        "defaultConfiguration": {"level": about.severity.value, "rank": _rank(about.severity, about.confidence)},
        "properties": {
            "tags": ["abi", about.mechanism.value, about.audience.value],
            "precision": _PRECISION[about.confidence],
            "problem.severity": _PROBLEM[about.severity],
        },
    }


def _help(entry: Registered, parts: Mapping[str, str]) -> str:
    wanted = ("What happens", "Why it breaks", "Fix on each side", "Limits")
    return "\n\n".join([f"# {entry.rule.title}", parts[""], *(f"## {w}\n\n{parts[w]}" for w in wanted if w in parts)])


def _rank(severity: Severity, confidence: Confidence) -> float:
    return _RANKS[severity] + _SURER[confidence]


# -- results ------------------------------------------------------------------------------------------------------


def _result(finding: Finding, used: Mapping[str, int], where: Mapping[str, Place], report: Report) -> dict[str, object]:
    locations = [_location(finding, number, where) for number in range(max(len(finding.packages), 1))]
    suppression = report.view.suppressed.get(finding.id)
    content = result_of(finding, used[finding.rule], locations, suppression.reason if suppression else None)
    if suppression is None and report.view.entries:
        content["suppressions"] = []
    if report.view.gone is not None:
        content["baselineState"] = "unchanged" if finding.id in report.view.known else "new"
    return content


def result_of(
    finding: Finding, index: int, locations: Sequence[Mapping[str, object]], accepted: str | None
) -> dict[str, object]:
    """Return a finding as a result. index: of its rule. accepted: the reason of its suppression, None without one."""
    digest = finding.id.rpartition("-")[2]
    content: dict[str, object] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": finding.severity.value,
        "rank": _rank(finding.severity, finding.confidence),
        "message": {"text": literal(_message(finding)), "markdown": _markdown(finding)},
        "locations": locations,
        "partialFingerprints": {"primaryLocationLineHash": f"{digest}:1", "abiclash/v1": finding.id},
        "properties": {"finding": values(finding), "symbols_total": len(finding.symbols)},
    }
    if accepted is not None:
        content["suppressions"] = [{"kind": "external", "justification": name(accepted, 1000)}]
    return content


def values(finding: Finding) -> dict[str, object]:
    """Return a finding in the words of the JSON format, so that `abiclash explain` can read it back; lists are cut."""
    short = replace(finding, objects=finding.objects[:LISTED], symbols=finding.symbols[:LISTED])
    evidence = {
        key: value[:LISTED] if isinstance(value, list | tuple) else value for key, value in finding.evidence.items()
    }
    return finding_values(replace(short, evidence=evidence), readable([short]))


def _location(finding: Finding, number: int, where: Mapping[str, Place]) -> dict[str, object]:
    """Return the place of one of a finding's packages, and its objects as logical locations."""
    package = finding.packages[number].name if finding.packages else ""
    objects = finding.objects[:LISTED] if number == 0 else ()
    return location(package, place_of(package, where), objects)


def location(package: str, place: Place, objects: Sequence[str]) -> dict[str, object]:
    """Return a place, with a package and some of its objects as what is there. package: '' for none."""
    logical = [{"name": name(package, 200), "kind": "module"}] if package else []
    logical += [{"name": name(path.rpartition("/")[2]), "fullyQualifiedName": name(path)} for path in objects]
    physical: dict[str, object] = {
        "physicalLocation": {"artifactLocation": {"uri": place.uri}, "region": {"startLine": place.line}}
    }
    return physical | ({"logicalLocations": logical} if logical else {})


def _message(finding: Finding) -> str:
    lines = [prose(finding.summary, 2000)]
    if finding.failing_order is not None:
        lines.append(f"Fails: import {whole(finding.failing_order)}.")
    if finding.safe_order is not None:
        lines.append(f"Works: import {whole(finding.safe_order)}.")
    return "\n".join(lines)


def _markdown(finding: Finding) -> str:
    from abiclash.reports.markdown import escape  # noqa: PLC0415 - one of two formats at a time

    lines = [escape(_message(finding)), escape(prose(finding.explanation, 4000))]
    lines += [f"- {escape(f'{advice.who}: {advice.text}')}" for advice in finding.advice]
    return "\n\n".join(line for line in lines if line)


def literal(text: str) -> str:
    r"""Return text for a plain-text message, in which `[text](target)` would be a link (SARIF 3.11.6)."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


# -- the rest -----------------------------------------------------------------------------------------------------


def notifications(not_analysed: Iterable[NotAnalysed], left_out: int = 0) -> Iterator[dict[str, object]]:
    """Yield what the tool has to say of its run. left_out: how many results are not in it."""
    for entry in sorted(set(not_analysed)):
        text = f"Not analysed: {name(entry.what)}: {prose(entry.reason, 1000)}"
        yield {
            "level": "warning",
            "message": {"text": literal(text)},
            "descriptor": {"id": "not-analysed", "index": 0},
        }
    if left_out:
        text = f"{left_out:,} further results were left out; --format json has them all."
        yield {"level": "note", "message": {"text": text}, "descriptor": {"id": "left-out", "index": 1}}


def _properties(report: Report) -> dict[str, object]:
    result = report.result
    orders: Sequence[dict[str, object]] = [
        {"order": list(verdict.order), "verdict": verdict.outcome.value} for verdict in result.orders
    ]
    return {
        "targets": list(result.targets),
        "packages": [package_values(package) for package in sorted(result.packages)],
        "host": host_values(result.host),
        "orders": orders,
        "references": result.coverage.references,
        "resolved": result.coverage.resolved,
        "hidden": {severity.value: report.view.hidden.get(severity, 0) for severity in Severity},
    }

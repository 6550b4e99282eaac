"""What `check` says of wheels, for people and for the programs of an index."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from abiclash import __version__
from abiclash.gate.check import Standing
from abiclash.reports.findings import label
from abiclash.reports.json import finding_values
from abiclash.reports.safe import inert, name
from abiclash.reports.symbols import readable
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from abiclash.gate.check import Checked, Neighbour
    from abiclash.reports.paint import Paint
    from abiclash.rules.model import Finding

SCHEMA = "urn:abiclash:check:1"
_NOTES = 3
"""Notes of one rule that are shown: a wheel of plugins has one for each library that a plugin lacks."""
STYLES = {"pass": ("green",), "block": ("bold", "red"), "incomplete": ("yellow",)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A checked wheel and what the policy says. blocking: ids. accepted: id -> reason of its suppression."""

    checked: Checked
    blocking: frozenset[str]
    accepted: Mapping[str, str]
    verdict: str


def as_text(verdicts: Sequence[Verdict], paint: Paint) -> str:
    """Return the verdicts: each wheel's hygiene, then what it does beside its neighbours."""
    return "\n".join(line for verdict in verdicts for line in (*_wheel_lines(verdict, paint), ""))


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a JSON object; the order of everything is fixed."""
    every = [finding for verdict in verdicts for finding in findings(verdict.checked)]
    names = readable(every)
    document = {
        "schema": SCHEMA,
        "tool": {"name": "abiclash", "version": __version__},
        "verdict": worst(verdicts),
        "wheels": [_wheel_values(verdict, names) for verdict in verdicts],
    }
    return json.dumps(inert(document), indent=2) + "\n"


def worst(verdicts: Sequence[Verdict]) -> str:
    """Return the verdict of all wheels together."""
    return next((word for word in ("block", "incomplete") if any(v.verdict == word for v in verdicts)), "pass")


def schema() -> str:
    """Return the text of the JSON Schema that `as_json` keeps to."""
    return resources.files("abiclash.reports").joinpath("schema/check-1.json").read_text("utf-8")


def findings(checked: Checked) -> Iterator[Finding]:
    """Yield what was found about a wheel: by itself, then beside its neighbours."""
    yield from checked.hygiene
    for neighbour in checked.neighbours:
        yield from neighbour.findings


def _wheel_lines(verdict: Verdict, paint: Paint) -> Iterator[str]:
    checked = verdict.checked
    yield f"{paint(name(checked.filename), 'bold')}: {paint(verdict.verdict, *STYLES[verdict.verdict])}"
    yield f"  as on CPython {checked.python}, {checked.platform}"
    yield f"  by itself: {_counted(checked.hygiene)}"
    told: Counter[str] = Counter()
    for finding in checked.hygiene:
        light = finding.severity is Severity.NOTE and finding.id not in verdict.blocking
        told[finding.rule] += light
        if not light or told[finding.rule] <= _NOTES:
            yield from _finding_lines(finding, verdict, paint, f"maintainer of {checked.name}")
    for rule, count in sorted(told.items()):
        if count > _NOTES:
            yield f"    {count - _NOTES} more notes of {rule} (--format json has them all)"
    if checked.neighbours:
        yield f"  beside {len(checked.neighbours)} packages: {_standings(checked.neighbours)}"
    else:
        yield "  beside other packages: not looked at (--against popular, or names)"
    for neighbour in checked.neighbours:
        if neighbour.findings:
            yield f"  {paint(name(f'{neighbour.name} {neighbour.version}'), 'bold')}: {neighbour.standing.value}"
        for finding in neighbour.findings:
            yield from _finding_lines(finding, verdict, paint, f"maintainer of {checked.name}")
    for entry in checked.not_analysed:
        yield from paint.wrap(f"not analysed: {name(entry.what)}: {name(entry.reason, 500)}", 2, hang=2)


def _finding_lines(finding: Finding, verdict: Verdict, paint: Paint, reader: str) -> Iterator[str]:
    stands = " (blocks)" if finding.id in verdict.blocking else ""
    stands = f" (accepted: {name(verdict.accepted[finding.id])})" if finding.id in verdict.accepted else stands
    yield f"    {label(finding, paint)}{stands}  {paint(finding.id, 'dim')}"
    yield from paint.wrap(finding.summary, 6)
    advice = next((each for each in finding.advice if each.who == reader), None)
    if advice is not None:
        yield from paint.wrap(f"-> {advice.text}", 6, hang=3)


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity.value for finding in findings)
    parts = [f"{counts[word]} {word}{'s' if counts[word] > 1 else ''}" for word in ("error", "warning", "note")]
    return ", ".join(part for part in parts if part[0] != "0") or "nothing to say"


def _standings(neighbours: Sequence[Neighbour]) -> str:
    counts = Counter(neighbour.standing for neighbour in neighbours)
    return ", ".join(f"{counts[standing]} {standing.value}" for standing in Standing if counts[standing])


def _wheel_values(verdict: Verdict, names: Mapping[str, str]) -> dict[str, object]:
    checked = verdict.checked

    def values(finding: Finding) -> dict[str, object]:
        standing = {"blocks": finding.id in verdict.blocking, "accepted": verdict.accepted.get(finding.id)}
        return finding_values(finding, names) | standing

    return {
        "wheel": checked.filename,
        "name": checked.name,
        "version": checked.version,
        "sha256": checked.sha256,
        "python": checked.python,
        "platform": checked.platform,
        "verdict": verdict.verdict,
        "hygiene": [values(finding) for finding in checked.hygiene],
        "neighbours": [_neighbour_values(neighbour, values) for neighbour in checked.neighbours],
        "not_analysed": [{"what": entry.what, "reason": entry.reason} for entry in checked.not_analysed],
    }


def _neighbour_values(neighbour: Neighbour, values: Callable[[Finding], dict[str, object]]) -> dict[str, object]:
    return {
        "name": neighbour.name,
        "version": neighbour.version,
        "standing": neighbour.standing.value,
        "findings": [values(finding) for finding in neighbour.findings],
    }

"""A scan as text for a terminal: the verdict first, then what it means and what helps, then the evidence."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING

from abiclash.reports.evidence import evidence_lines
from abiclash.reports.safe import name
from abiclash.reports.symbols import readable
from abiclash.rules.model import Outcome, Severity, by_weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from abiclash.reports.paint import Paint
    from abiclash.rules.model import Coverage, Finding, ScanResult, Verdict

_SEVERITY_STYLE = {Severity.ERROR: ("bold", "red"), Severity.WARNING: ("bold", "yellow"), Severity.NOTE: ("cyan",)}
_OUTCOME_STYLE = {Outcome.CLEAN: ("green",), Outcome.CONFLICT: ("bold", "red"), Outcome.LOAD_FAILURE: ("bold", "red")}
_VERDICTS = 24  # more orders than a screen has lines are summed up


class Detail(IntEnum):
    """How much to show. BRIEF: verdicts and one line per finding. FULL: nothing is left out of lists."""

    BRIEF = 0
    NORMAL = 1
    FULL = 2


def render(result: ScanResult, paint: Paint, detail: Detail = Detail.NORMAL) -> str:
    """Return the report, ended by a newline."""
    findings = sorted(result.findings, key=by_weight)
    names = readable(findings) if detail > Detail.BRIEF else {}
    blocks = [list(_verdicts(result.orders, paint, detail))]
    if detail is Detail.BRIEF:
        blocks.append([line for finding in findings for line in _one_line(finding, paint)])
    else:
        for finding in findings:
            # A note has no victim here: one line is enough until someone asks for all.
            short = finding.severity is Severity.NOTE and detail is Detail.NORMAL
            blocks.append(list(_one_line(finding, paint) if short else _finding(finding, names, paint, detail)))
    blocks.append(list(_not_analysed(result, paint)))
    blocks.append(list(_closing(result, paint, detail)))
    return "\n".join(_joined(blocks)) + "\n"


def _joined(blocks: list[list[str]]) -> Iterator[str]:
    """Yield all lines, with an empty line between blocks; one-line blocks in a row stay together."""
    previous = 0
    for block in blocks:
        if not block:
            continue
        if previous and not previous == len(block) == 1:
            yield ""
        yield from block
        previous = len(block)


def _verdicts(orders: tuple[Verdict, ...], paint: Paint, detail: Detail) -> Iterator[str]:
    shown = list(orders)
    if len(shown) > _VERDICTS and detail < Detail.FULL:
        shown = [verdict for verdict in orders if verdict.outcome is not Outcome.CLEAN][:_VERDICTS]
    rows = [(_order(v.order), paint(v.outcome.value, *_OUTCOME_STYLE[v.outcome])) for v in shown]
    yield from paint.columns(rows)
    hidden = Counter(v.outcome for v in orders) - Counter(v.outcome for v in shown)
    for outcome in Outcome:
        if hidden[outcome]:
            yield f"{hidden[outcome]:,} other orders  {paint(outcome.value, *_OUTCOME_STYLE[outcome])}"


def _order(names: tuple[str, ...]) -> str:
    return ", ".join(name(package) for package in names)


def _head(finding: Finding, paint: Paint) -> str:
    packages = ", ".join(name(str(package)) for package in finding.packages)
    label = paint(finding.severity.value, *_SEVERITY_STYLE[finding.severity])
    return f"{label} {paint(finding.rule, 'bold')}: {packages}"


def _one_line(finding: Finding, paint: Paint) -> Iterator[str]:
    yield f"{_head(finding, paint)}: {name(finding.summary, 1000)}"


def _finding(finding: Finding, names: Mapping[str, str], paint: Paint, detail: Detail) -> Iterator[str]:
    yield _head(finding, paint)
    yield from paint.wrap(finding.summary, 2)
    if finding.explanation:
        yield ""
        yield from paint.wrap(finding.explanation, 2)
    yield ""
    facts = [("confidence", finding.confidence.value), ("id", finding.id)]
    if finding.silent:
        facts.insert(0, ("effect", "a wrong result rather than a crash"))
    if finding.safe_order is not None:
        facts.insert(0, ("works", paint(_order(finding.safe_order), "green")))
    if finding.failing_order is not None:
        facts.insert(0, ("fails", paint(_order(finding.failing_order), "red")))
    yield from paint.columns(((paint(f"{key}:", "dim"), value) for key, value in facts), indent=2)
    if finding.advice:
        yield ""
        yield "  " + paint("What helps", "bold")
    for advice in finding.advice:
        checked = " (checked: the model finds it clean)" if advice.checked else ""
        who = "you" if advice.who == "user" else advice.who
        yield from paint.wrap(f"- {who}: {advice.text}{checked}", 4, hang=2)
    evidence = list(evidence_lines(finding, names, paint, everything=detail is Detail.FULL))
    if evidence:
        yield ""
        yield "  " + paint("Evidence", "bold")
        yield from evidence


def _not_analysed(result: ScanResult, paint: Paint) -> Iterator[str]:
    entries = sorted(set(result.not_analysed))
    if not entries:
        return
    yield paint(f"Not analysed ({len(entries)})", "bold", "yellow")
    for entry in entries:
        yield from paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)


def _closing(result: ScanResult, paint: Paint, detail: Detail) -> Iterator[str]:
    if detail > Detail.BRIEF:
        host = result.host
        libc = f"{host.libc} {host.libc_version}".strip()
        profile = "this machine" if host.profile == "live" else host.profile
        packages = f"{len(result.packages)} package{'s' * (len(result.packages) != 1)}"
        place = f"Python {name(host.python)} on {name(host.machine)} with {name(libc)}"
        yield paint(f"{packages}, {place} (host profile: {name(profile)})", "dim")
        yield paint(_coverage(result.coverage), "dim")
    counts = Counter(finding.severity for finding in result.findings)
    parts = [f"{counts[s]} {s.value}{'s' * (counts[s] != 1)}" for s in Severity if counts[s]]
    if result.not_analysed:
        parts.append(f"{len(set(result.not_analysed))} not analysed")
    yield ", ".join(parts) if parts else "no findings"


def _coverage(coverage: Coverage) -> str:
    text = f"bindings resolved {coverage.resolved:,} of {coverage.references:,}"
    text += f"; objects read {coverage.objects_read:,} of {coverage.objects:,}"
    loads = ", ".join(f"{count:,} {how}" for how, count in sorted(coverage.loads.items()) if count)
    return f"{text}; loads known from: {loads}" if loads else text

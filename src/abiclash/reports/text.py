"""A scan as text for a terminal: the verdict first, then what it means and what helps, then the evidence.

In a set of many packages warnings are told in one line each, sorted by cause; errors are always told whole.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from abiclash.control.suppressions import State
from abiclash.control.view import View, everything
from abiclash.reports import orders
from abiclash.reports.detail import Detail
from abiclash.reports.findings import finding_lines, head, label, mark, packages
from abiclash.reports.safe import name
from abiclash.reports.symbols import readable
from abiclash.rules.model import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from abiclash.reports.formats import Report
    from abiclash.reports.paint import Paint
    from abiclash.rules.model import Coverage, Finding, ScanResult, Verdict

_OUTCOME_STYLE = {Outcome.CLEAN: ("green",), Outcome.CONFLICT: ("bold", "red"), Outcome.LOAD_FAILURE: ("bold", "red")}
_VERDICTS = 24  # more orders than a screen has lines are summed up


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    return render(report.result, report.paint, report.detail, report.view)


def render(result: ScanResult, paint: Paint, detail: Detail = Detail.NORMAL, view: View | None = None) -> str:
    """Return the report, ended by a newline. view: which findings, and what became of the others (default: all)."""
    view = view or everything(result.findings)
    names = readable(view.findings) if detail > Detail.BRIEF else {}
    blocks = [list(_verdicts(result.orders, paint, detail))]
    whole, short = _split(view.findings, detail, many=len(result.orders[0].order if result.orders else ()) > orders.FEW)
    played = [verdict.order for verdict in result.orders]
    for finding in whole:
        known, full = finding.id in view.known, detail is Detail.FULL
        blocks.append(list(finding_lines(finding, names, paint, played, known=known, everything=full)))
    blocks += _one_liners(short, paint, view, detail)
    blocks.append(list(_accepted(view, paint, detail)))
    blocks.append(list(_not_analysed(result, paint)))
    blocks.append(list(_closing(result, view, paint, detail)))
    return "\n".join(_joined(blocks)) + "\n"


def _split(findings: Sequence[Finding], detail: Detail, *, many: bool) -> tuple[list[Finding], list[Finding]]:
    """Return the findings to be told whole, and those in one line: a note has no victim here."""
    least = {Detail.BRIEF: -1, Detail.FULL: Severity.NOTE.rank}.get(
        detail, (Severity.ERROR if many else Severity.WARNING).rank
    )
    whole = [finding for finding in findings if finding.severity.rank <= least]
    return whole, [finding for finding in findings if finding.severity.rank > least]


def _one_liners(findings: Sequence[Finding], paint: Paint, view: View, detail: Detail) -> Iterator[list[str]]:
    """Yield blocks of one line for each finding; findings of one cause stand under one heading."""
    for _, group in groupby(findings, key=lambda finding: (finding.severity, finding.rule)):
        same = list(group)
        if len(same) == 1:
            line = f"{head(same[0], paint, same[0].id in view.known)}: {name(same[0].summary, 1000)}"
            yield [line] if detail is Detail.BRIEF else list(paint.fold(line, 0, hang=2))
            continue
        lines = [f"{label(same[0], paint)} ({len(same)})"]
        for finding in same:
            known = mark(finding.id in view.known, paint)
            lines += paint.fold(f"- {packages(finding)}{known}: {name(finding.summary, 1000)}", 2, hang=2)
        yield lines


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


def _verdicts(verdicts: tuple[Verdict, ...], paint: Paint, detail: Detail) -> Iterator[str]:
    shown = list(verdicts)
    if len(shown) > _VERDICTS and detail < Detail.FULL:
        shown = [verdict for verdict in verdicts if verdict.outcome is not Outcome.CLEAN][:_VERDICTS]
    given = verdicts[0].order if verdicts else ()
    rows = []
    for verdict in shown:
        order = orders.whole(verdict.order) if detail is Detail.FULL else orders.against(verdict.order, given)
        outcome = paint(verdict.outcome.value, *_OUTCOME_STYLE[verdict.outcome])
        rows.append((order, outcome, paint(_share(verdict.coverage), "dim")))
    yield from paint.columns(rows, stack=True)
    hidden = Counter(v.outcome for v in verdicts) - Counter(v.outcome for v in shown)
    for outcome in Outcome:
        if hidden[outcome]:
            yield f"{hidden[outcome]:,} other orders  {paint(outcome.value, *_OUTCOME_STYLE[outcome])}"


def _share(coverage: Coverage) -> str:
    """A verdict rests on what is resolved: say how much that is, never rounded up."""
    if not coverage.references:
        return "no references"
    hundredths = coverage.resolved * 10_000 // coverage.references
    percent = f"{hundredths // 100}.{hundredths % 100:02}" if hundredths % 100 else f"{hundredths // 100}"
    return f"{percent} % of references resolved"


def _accepted(view: View, paint: Paint, detail: Detail) -> Iterator[str]:
    """Tell of suppressions that need someone's attention; with all details, of what the others hide."""
    lost = [entry for entry in view.entries if entry.state is not State.ACTIVE]
    if lost:
        yield paint(f"Suppressions that hide nothing ({len(lost)})", "bold", "yellow")
    for entry in lost:
        over = f"it ended on {entry.suppression.expires}: decide anew"
        why = over if entry.state is State.EXPIRED else "no finding is like it any more: take it out"
        yield from paint.wrap(f"- {name(entry.suppression.source)}: {why}", 2, hang=2)
    if detail is Detail.FULL:
        for finding in view.accepted:
            reason = view.suppressed[finding.id].reason
            yield from paint.wrap(f"suppressed {finding.rule}: {packages(finding)}: {name(reason, 1000)}", 0, hang=2)


def _not_analysed(result: ScanResult, paint: Paint) -> Iterator[str]:
    entries = sorted(set(result.not_analysed))
    if not entries:
        return
    yield paint(f"Not analysed ({len(entries)})", "bold", "yellow")
    for entry in entries:
        yield from paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)


def _closing(result: ScanResult, view: View, paint: Paint, detail: Detail) -> Iterator[str]:
    if detail > Detail.BRIEF:
        host = result.host
        libc = f"{host.libc} {host.libc_version}".strip()
        profile = "this machine" if host.profile == "live" else host.profile
        packages = f"{len(result.packages)} package{'s' * (len(result.packages) != 1)}"
        place = f"Python {name(host.python)} on {name(host.machine)} with {name(libc)}"
        yield from paint.fold(paint(f"{packages}, {place} (host profile: {name(profile)})", "dim"), 0, hang=2)
        yield from paint.fold(paint(_coverage(result.coverage), "dim"), 0, hang=2)
    parts = list(_counts(Counter(finding.severity for finding in view.findings)))
    if view.known:
        parts.append(f"{len(view.known)} known from the baseline")
    if view.gone:
        parts.append(f"{len(view.gone)} of the baseline gone")
    if view.accepted:
        parts.append(f"{len(view.accepted)} suppressed")
    if result.not_analysed:
        parts.append(f"{len(set(result.not_analysed))} not analysed")
    yield from paint.fold(", ".join(parts) if parts else "no findings", 0, hang=2)
    if any(view.hidden.values()):
        hidden = f"not shown: {', '.join(_counts(view.hidden))} (see --audience, --severity, --rule)"
        yield from paint.fold(paint(hidden, "dim"), 0, hang=2)


def _counts(numbers: Mapping[Severity, int]) -> Iterable[str]:
    return [f"{numbers.get(s, 0)} {s.value}{'s' * (numbers.get(s, 0) != 1)}" for s in Severity if numbers.get(s, 0)]


def _coverage(coverage: Coverage) -> str:
    text = f"bindings resolved {coverage.resolved:,} of {coverage.references:,}"
    text += f"; objects read {coverage.objects_read:,} of {coverage.objects:,}"
    loads = ", ".join(f"{count:,} {how}" for how, count in sorted(coverage.loads.items()) if count)
    return f"{text}; loads known from: {loads}" if loads else text

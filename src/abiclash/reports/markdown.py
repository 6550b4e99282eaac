"""A scan as Markdown for a comment on a pull request: short, with folds, below GitHub's 65,536 characters."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from abiclash.reports.findings import packages
from abiclash.reports.orders import around, whole
from abiclash.reports.safe import name, prose
from abiclash.rules.model import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.control.view import View
    from abiclash.reports.formats import Report
    from abiclash.rules.model import Finding, ScanResult

_MOST = 60_000
_ORDERS, _LISTED, _OBJECTS = 12, 50, 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$=-])")
_AUTOMATIC = re.compile(r"(@|#|://|www\.)")
_MARKS = {Severity.ERROR: "\u274c", Severity.WARNING: "\u26a0\ufe0f", Severity.NOTE: "\u2139\ufe0f"}


def escape(text: str) -> str:
    """Return text that shows as it is: no markup, no HTML, no link, nobody notified, no issue referred to."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _SPECIAL.sub(r"\\\1", text)
    return _AUTOMATIC.sub(r"\1<!-- -->", text)


def code(text: str, limit: int = 240) -> str:
    """Return a name as a code span; its fence is longer than any run of backticks in it."""
    text = name(text, limit)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text[:1] in ("`", "") or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    result, view = report.result, report.view
    errors = [finding for finding in view.findings if finding.severity is Severity.ERROR]
    others = [finding for finding in view.findings if finding.severity is not Severity.ERROR]
    blocks = [_headline(result, view), _orders(result)]
    blocks += [_whole(finding, view) for finding in errors]
    for severity in (Severity.WARNING, Severity.NOTE):
        same = [finding for finding in others if finding.severity is severity]
        if same:
            title = f"{_MARKS[severity]} {_counted(len(same), severity.value)}"
            blocks.append(_fold(title, [_line(finding, view) for finding in same]))
    unread = sorted(set(result.not_analysed))
    if unread:
        lines = [f"- {code(entry.what)}: {escape(prose(entry.reason, 500))}" for entry in unread]
        blocks.append(_fold(f"Not analysed ({len(unread)})", lines))
    return _fitting(blocks, f"<sub>{_closing(result, view)}</sub>\n")


def _fitting(blocks: Sequence[str], closing: str) -> str:
    """Join as many blocks as fit, and say how many do not."""
    kept, length = [], 0
    for number, block in enumerate(blocks):
        length += len(block) + 2
        if length > _MOST:
            kept.append(f"... and {len(blocks) - number} more parts: `--format text` has them all.")
            break
        kept.append(block)
    return "\n\n".join([*(block for block in kept if block), closing])


def _headline(result: ScanResult, view: View) -> str:
    counts = Counter(finding.severity for finding in view.findings)
    parts = [_counted(counts[severity], severity.value) for severity in Severity if counts[severity]]
    if result.not_analysed:
        parts.append(f"{len(set(result.not_analysed))} not analysed")
    mark = next((_MARKS[severity] for severity in Severity if counts[severity]), "\u2705")
    if mark == "\u2705" and result.not_analysed:
        mark = _MARKS[Severity.WARNING]
    return f"### {mark} abiclash: {', '.join(parts) or 'no conflict found'}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _orders(result: ScanResult) -> str:
    shown = result.orders
    if len(shown) > _ORDERS:
        shown = tuple(verdict for verdict in shown if verdict.outcome is not Outcome.CLEAN)[:_ORDERS]
    lines = [f"- {_order(verdict.order)}: **{verdict.outcome.value}**" for verdict in shown]
    if len(shown) < len(result.orders):
        clean = sum(verdict.outcome is Outcome.CLEAN for verdict in result.orders)
        lines.append(f"- {len(result.orders)} orders in all, {clean} of them clean")
    return "\n".join(lines)


def _order(order: Sequence[str]) -> str:
    return code(f"import {whole(order) if len(order) <= _ORDERS else around(order, order[:2])}", 600)


def _head(finding: Finding, view: View) -> str:
    known = " (known)" if finding.id in view.known else ""
    return f"**{escape(finding.rule)}**{known}: {packages(finding, code)}"


def _whole(finding: Finding, view: View) -> str:
    lines = [f"#### {_MARKS[finding.severity]} {_head(finding, view)}", "", escape(prose(finding.summary, 2000)), ""]
    about = [package.name for package in finding.packages]
    if finding.failing_order is not None:
        verb = "fails" if finding.severity is Severity.ERROR else "happens"
        lines.append(f"- {verb}: {code('import ' + around(finding.failing_order, about), 600)}")
    if finding.safe_order is not None:
        lines.append(f"- works: {code('import ' + around(finding.safe_order, about), 600)}")
    for advice in finding.advice:
        checked = " (checked: the model finds it clean)" if advice.checked else ""
        who = "you" if advice.who == "user" else advice.who
        lines.append(f"- {escape(name(who))}: {escape(name(advice.text, 1000))}{checked}")
    inside = [escape(prose(finding.explanation, 6000)), "", *_evidence(finding)]
    lines += ["", _fold("Why, and the evidence", inside)]
    return "\n".join(lines)


def _evidence(finding: Finding) -> Iterator[str]:
    yield from (f"- {code(path)}" for path in finding.objects[:_OBJECTS])
    if len(finding.objects) > _OBJECTS:
        yield f"- ... {len(finding.objects) - _OBJECTS} more objects"
    yield from (f"- {code(symbol)}" for symbol in finding.symbols[:_OBJECTS])
    if len(finding.symbols) > _OBJECTS:
        yield f"- ... {len(finding.symbols) - _OBJECTS} more symbols"
    yield f"- id: {code(finding.id)}, confidence: {finding.confidence.value}"


def _line(finding: Finding, view: View) -> str:
    return f"- {_head(finding, view)}: {escape(name(finding.summary, 600))} ({code(finding.id)})"


def _fold(title: str, lines: Sequence[str]) -> str:
    shown = [*lines[:_LISTED], *([f"- ... {len(lines) - _LISTED} more"] if len(lines) > _LISTED else [])]
    return "\n".join([f"<details><summary>{title}</summary>", "", *shown, "", "</details>"])


def _closing(result: ScanResult, view: View) -> str:
    host, coverage = result.host, result.coverage
    text = f"{_counted(len(result.packages), 'package')}, Python {host.python} on {host.machine}, "
    text += f"{host.libc} {host.libc_version} (host profile: {host.profile}); "
    text += f"bindings resolved {coverage.resolved:,} of {coverage.references:,}"
    if view.accepted:
        text += f"; {len(view.accepted)} suppressed"
    hidden = sum(view.hidden.values())
    return escape(name(text + (f"; {hidden} findings not shown" if hidden else ""), 1000))

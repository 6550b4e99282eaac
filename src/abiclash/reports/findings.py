"""One finding as text: what to know and to do first, then why, then what else helps, then the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports import orders
from abiclash.reports.evidence import evidence_lines
from abiclash.reports.safe import name
from abiclash.rules.model import Severity, failing_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from abiclash.reports.paint import Paint
    from abiclash.rules.model import Advice, Finding

    Order = tuple[str, ...]

_SEVERITY_STYLE = {Severity.ERROR: ("bold", "red"), Severity.WARNING: ("bold", "yellow"), Severity.NOTE: ("cyan",)}
_WHEN = {
    "import": "while the packages are imported",
    "use": "in use, once parts are loaded that the imports alone are not seen to load",
}
"""By `evidence["stage"]`."""
_MOST_PACKAGES, _SHOWN_PACKAGES = 6, 3
_COLUMN = 15  # where the text of a row begins


def label(finding: Finding, paint: Paint) -> str:
    """Return severity and rule."""
    return f"{paint(finding.severity.value, *_SEVERITY_STYLE[finding.severity])} {paint(finding.rule, 'bold')}"


def packages(finding: Finding, show: Callable[[str], str] = name) -> str:
    """Return the packages that a finding names, with their versions; of many, those that its summary speaks of.

    show: makes a name fit for the format.
    """
    if len(finding.packages) <= _MOST_PACKAGES:
        return ", ".join(show(str(package)) for package in finding.packages)
    first = sorted(finding.packages, key=lambda package: package.name not in finding.summary)[:_SHOWN_PACKAGES]
    shown = ", ".join(show(str(package)) for package in first)
    return f"{len(finding.packages)} packages ({shown} and {len(finding.packages) - len(first)} more)"


def mark(known: bool, paint: Paint) -> str:
    """Return the mark of what the baseline has, with a space before it."""
    return f" {paint('(known)', 'dim')}" if known else ""


def head(finding: Finding, paint: Paint, known: bool) -> str:
    """Return the line that a finding begins with."""
    return f"{label(finding, paint)}: {packages(finding)}{mark(known, paint)}"


def finding_lines(
    finding: Finding, names: Mapping[str, str], paint: Paint, played: Sequence[Order], *, known: bool, everything: bool
) -> Iterator[str]:
    """First what a reader who is in a hurry needs: will it break, when, in which order, what to do now."""
    yield from paint.fold(head(finding, paint, known), 0, hang=2)
    yield from paint.wrap(finding.summary, 2)
    yield ""
    now = next((advice for advice in finding.advice if advice.who == "user"), None)
    for key, value, *styles in _facts(finding, now, played):
        first, *more = paint.wrap(value, _COLUMN)
        yield (
            "  " + paint(f"{key}:", "dim") + first[len(key) + 3 :].replace(first.strip(), paint(first.strip(), *styles))
        )
        yield from more
    if finding.explanation:
        yield ""
        yield from paint.wrap(finding.explanation, 2)
    helps = list(_helps(finding, now))
    if helps:
        yield ""
        yield "  " + paint("What else helps", "bold")
    for line in helps:
        yield from paint.wrap(f"- {line}", 4, hang=2)
    evidence = list(evidence_lines(finding, names, paint, everything=everything))
    if evidence:
        yield ""
        yield "  " + paint("Evidence", "bold")
        yield from evidence


def _facts(finding: Finding, now: Advice | None, played: Sequence[Order]) -> Iterator[tuple[str, ...]]:
    """Yield the rows between summary and explanation: key, text and style."""
    about = [package.name for package in finding.packages]
    if finding.failing_order is not None:
        always = len(played) > 1 and set(failing_orders(finding)) >= set(played)
        order = "in every order" if always else orders.around(finding.failing_order, about)
        yield ("fails", order, "red") if finding.severity is Severity.ERROR else ("happens", order)
    if finding.safe_order is not None:
        yield "works", orders.around(finding.safe_order, about), "green"
    when = _WHEN.get(str(finding.evidence.get("stage")))
    if when is not None:
        yield "when", when
    if finding.silent:
        yield "effect", "a wrong result, perhaps without a crash"
    if now is not None:
        yield "do now", _said(now)
    yield "confidence", finding.confidence.value
    yield "id", finding.id


def _said(advice: Advice) -> str:
    return f"{advice.text}{' (checked: the model finds no error in it)' if advice.checked else ''}"


def _helps(finding: Finding, now: Advice | None) -> Iterator[str]:
    """Yield the rest of the advice; what several maintainers can do alike is told once."""
    alike: dict[str, list[str]] = {}
    for advice in finding.advice:
        if advice is not now:
            alike.setdefault(_said(advice), []).append("you" if advice.who == "user" else advice.who)
    for text, who in alike.items():
        names = [one.removeprefix("maintainer of ") for one in who]
        whom = who[0] if len(who) == 1 else f"maintainers of {', '.join(names[:-1])} and {names[-1]}"
        yield f"{whom}: {text}"

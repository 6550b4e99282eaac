"""What `suggest` found, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports import orders
from abiclash.reports.safe import inert, name
from abiclash.rules.model import Severity
from abiclash.suggest.search import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.reports.paint import Paint
    from abiclash.suggest.changes import Change
    from abiclash.suggest.search import Outlook, Suggestion

SCHEMA = "urn:abiclash:suggest:1"
_ORDERS = 3


def as_text(outlook: Outlook, paint: Paint) -> str:
    """Return the suggestions, the smallest change first, and what was tried besides."""
    return "\n".join(_lines(outlook, paint)) + "\n"


def _lines(outlook: Outlook, paint: Paint) -> Iterator[str]:
    if outlook.needless:
        yield f"{_asked(outlook)}: {paint('clean', 'green')} in every order that matters; nothing to change"
        warnings = sum(finding.severity is Severity.WARNING for finding in outlook.before.findings)
        if warnings:
            count = f"{warnings} warning{'s' * (warnings != 1)}"
            yield f"{count} all the same: 'abiclash scan' tells what may go wrong in use"
        return
    yield f"{_asked(outlook)}: {paint('conflict', 'bold', 'red')} (see 'abiclash scan')"
    for finding in outlook.before.findings:
        if finding.severity is Severity.ERROR:
            yield from paint.wrap(f"{finding.rule}: {name(finding.summary, 1000)}", 2, hang=2)
    for number, suggestion in enumerate(outlook.suggestions, start=1):
        smallest = " (smallest change)" if number == 1 else ""
        yield ""
        yield f"{number}. {paint(_what(suggestion, outlook), 'bold')}{smallest}"
        yield from paint.wrap(f"checked: {_checked(suggestion, outlook)}", 3)
    if not outlook.suggestions:
        yield ""
        tried = len(outlook.rejected)
        combinations = f"{tried} combination{'s' * (tried != 1)}"
        text = f"Nothing found: no import order and none of the {combinations} that were played is without an error."
        first, *more = paint.wrap(text, 0)
        yield from [paint(first, "bold", "yellow"), *more]
    others = [f"{in_words(changes)}: still conflicts" for changes in outlook.rejected]
    others += [f"{name(entry.what)}: not played: {name(entry.reason, 1000)}" for entry in outlook.skipped]
    if others:
        yield ""
        yield paint("Also tried", "bold")
        for line in others:
            yield from paint.wrap(f"- {line}", 2, hang=2)
    if not outlook.exhausted and not outlook.suggestions:
        yield ""
        yield "There are more neighbouring versions: --steps and --candidates widen the search."


def _asked(outlook: Outlook) -> str:
    return ", ".join(name(f"{p.name} {p.version}") for p in outlook.before.packages if p.name in _imported(outlook))


def _imported(outlook: Outlook) -> tuple[str, ...]:
    return outlook.before.orders[0].order if outlook.before.orders else ()


def _what(suggestion: Suggestion, outlook: Outlook) -> str:
    if not suggestion.changes:
        first = suggestion.orders[0]
        if len(first) <= orders.FEW:
            return f"Import {name(first[0])} first: {orders.whole(first)}"
        return f"Import {orders.against(first, _imported(outlook))}"
    return "Use " + " and ".join(_change(change) for change in suggestion.changes)


def _change(change: Change) -> str:
    direction = "an older" if change.backwards else "a newer"
    step = change.step.name.lower()
    return f"{name(change.package)}=={name(change.after)} instead of {name(change.before)} ({direction} {step} release)"


def _checked(suggestion: Suggestion, outlook: Outlook) -> str:
    if suggestion.every:
        return "no error in any order"
    given = _imported(outlook)
    shown = [orders.against(order, given) for order in suggestion.orders[:_ORDERS]]
    more = len(suggestion.orders) - len(shown)
    return f"no error in {'; '.join(shown)}" + (f" and {more} more orders" if more else "")


def as_json(outlook: Outlook) -> str:
    """Return the same as a JSON object; the versions before and after tell a change."""
    document = {
        "schema": SCHEMA,
        "targets": list(outlook.before.targets),
        "packages": [
            {"name": p.name, "version": p.version}
            for p in sorted(outlook.before.packages)
            if p.name in _imported(outlook)
        ],
        "needless": outlook.needless,
        "suggestions": [_suggestion(suggestion) for suggestion in outlook.suggestions],
        "rejected": [[_json_change(change) for change in changes] for changes in outlook.rejected],
        "not_analysed": [{"what": entry.what, "reason": entry.reason} for entry in outlook.skipped],
        "exhausted": outlook.exhausted,
    }
    return json.dumps(inert(document), indent=2, ensure_ascii=True) + "\n"


def _suggestion(suggestion: Suggestion) -> dict[str, object]:
    return {
        "changes": [_json_change(change) for change in suggestion.changes],
        "orders": [list(order) for order in suggestion.orders],
        "every_order": suggestion.every,
        "checked": True,
    }


def _json_change(change: Change) -> dict[str, object]:
    return {
        "package": change.package,
        "before": change.before,
        "after": change.after,
        "step": change.step.name.lower(),
        "distance": change.distance,
    }

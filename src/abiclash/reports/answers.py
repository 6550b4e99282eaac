"""Answers to questions about a set, as text and as JSON values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports import graph as drawing
from abiclash.reports.orders import whole
from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from abiclash.errors import NotAnalysed
    from abiclash.graph.model import Graph
    from abiclash.graph.orders import SafeOrder
    from abiclash.graph.precedence import Precedence
    from abiclash.graph.questions import Answers, Change, Hub
    from abiclash.reports.paint import Paint

_HUBS = 5


def as_json(graph: Graph, answers: Answers, failures: Sequence[NotAnalysed]) -> str:
    """Return the graph and the answers as one JSON text."""
    order, change = answers.order, answers.change
    content = {
        "schema": drawing.SCHEMA,
        **drawing.document(graph),
        "answers": {
            "hubs": [
                {
                    "package": hub.package,
                    "errors": hub.errors,
                    "warnings": hub.warnings,
                    "partners": list(hub.partners),
                    "ties": hub.ties,
                }
                for hub in answers.hubs
            ],
            "change": {
                "sets": [list(one) for one in change.hitting.sets],
                "exact": change.hitting.exact,
                "more": change.hitting.more,
                "checked": change.checked,
                "blameless": list(change.blameless),
            },
            "order": {
                "safe": None if order.order is None else list(order.order),
                "groups": [list(group) for group in order.groups],
                "demands": [_demand(demand) for demand in order.demands],
                "obstacle": [_demand(demand) for demand in order.obstacle],
                "exhaustive": order.exhaustive,
                "played": [list(one) for one in order.played],
            },
        },
        "not_analysed": [{"what": n.what, "reason": n.reason} for n in failures],
    }
    return json.dumps(inert(content), indent=1) + "\n"


def _demand(demand: Precedence) -> dict[str, object]:
    return {
        "before": demand.before,
        "after": demand.after,
        "finding": demand.finding,
        "failing_order": list(demand.failing),
    }


def as_text(answers: Answers, failures: Sequence[NotAnalysed], paint: Paint) -> str:
    """Return the answers for a terminal."""
    blocks = [
        ("Who is in the middle", list(_hubs(answers.hubs, paint))),
        ("What has to change", list(_change(answers.change, paint))),
        ("Import order", list(_order(answers.order, paint))),
        (f"Not analysed ({len(failures)})", list(_failures(failures, paint))),
    ]
    return "\n".join("\n".join([paint(title, "bold"), *lines, ""]) for title, lines in blocks if lines)


def _hubs(hubs: Sequence[Hub], paint: Paint) -> Iterator[str]:
    if not hubs:
        yield "  No package collides with another one."
    rows = [(name(hub.package), f"{hub.errors} errors", f"{hub.warnings} warnings", _with(hub)) for hub in hubs[:_HUBS]]
    yield from paint.columns(rows, indent=2, stack=True)
    if len(hubs) > _HUBS:
        yield paint(f"  ... and {len(hubs) - _HUBS} more", "dim")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _with(hub: Hub) -> str:
    partners = whole(hub.partners[:_HUBS]) + (" ..." if len(hub.partners) > _HUBS else "")
    return f"with {partners or 'the host'}; reaches others by {_count(hub.ties, 'name')}"


def _change(change: Change, paint: Paint) -> Iterator[str]:
    first, *others = change.hitting.sets
    if not first and not change.blameless:
        yield "  Nothing: no import order has an error."
        return
    for identity in change.blameless:
        yield f"  No change of a package helps against {name(identity)}: it names none."
    if not first:
        return
    exact = "the smallest number" if change.hitting.exact else "found greedily; there may be a smaller set"
    yield from paint.wrap(f"{len(first)} of the packages, so that every order is clean ({exact}):", 2)
    for number, chosen in enumerate((first, *others)):
        yield f"    {'or ' if number else ''}{whole(chosen)}"
    if change.hitting.more:
        yield paint("    or others of that size", "dim")
    if change.checked is not None:
        verdict = "no error" if change.checked else "still errors"
        yield from paint.wrap(f"Without {whole(first)} the model finds {verdict} in the rest.", 2)


def _order(order: SafeOrder, paint: Paint) -> Iterator[str]:
    if order.order is not None:
        yield from paint.fold(f"Safe, as the model played it: {paint(whole(order.order), 'green')}", 2, hang=2)
        if len(order.groups) == 1 and len(order.groups[0]) > 1:
            yield "  Any other order will do as well."
        elif any(len(group) > 1 for group in order.groups):
            yield "  In groups, one after the other; within a group in any order:"
            for number, group in enumerate(order.groups, start=1):
                yield from paint.wrap(f"{number}. {whole(group)}", 4, hang=3)
    elif order.obstacle:
        proof = "every order was played" if order.exhaustive else "these cannot all be had"
        yield from paint.wrap(f"There is no safe order ({proof}):", 2)
    else:
        yield "  No safe order was found, and no proof that there is none."
    for demand in order.obstacle or order.demands:
        yield from _because(demand, paint)


def _because(demand: Precedence, paint: Paint) -> Iterator[str]:
    seen = f"{name(demand.finding)} in the order {whole(demand.failing)}"
    if demand.before == demand.after:
        yield from paint.wrap(f"- {name(demand.before)} fails wherever it stands: {seen}", 4, hang=2)
    else:
        yield from paint.wrap(f"- {name(demand.before)} before {name(demand.after)}: {seen}", 4, hang=2)


def _failures(failures: Sequence[NotAnalysed], paint: Paint) -> Iterator[str]:
    for entry in failures:
        yield from paint.wrap(f"- {name(entry.what)}: {entry.reason}", 2, hang=2)

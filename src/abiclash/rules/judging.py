"""All rules over what was played, and the orders that their errors leave.

A rule knows its own findings only. An order is safe when no rule has an error in it, so rules that named an order in
which another one has an error are asked again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.rules.model import Advice, Severity, by_weight, failing_orders
from abiclash.rules.registry import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding
    from abiclash.rules.registry import Registered

Order = tuple[str, ...]


def judge(case: Case, entries: Sequence[Registered] | None = None) -> tuple[Finding, ...]:
    """Return the findings of all rules (or of some), the gravest first; every order that they call safe is."""
    found = {entry.rule.id: tuple(entry.check(case)) for entry in (rules() if entries is None else entries)}
    orders = list(dict.fromkeys(run.order for run in case.runs))
    bad = erroneous(orders, (finding for findings in found.values() for finding in findings))
    rash = {name for name, findings in found.items() if any(finding.safe_order in bad for finding in findings)}
    again = replace(case, erroneous=frozenset(bad))
    for entry in rules() if entries is None else entries:
        if entry.rule.id in rash:
            before = {finding.id: finding for finding in found[entry.rule.id]}
            found[entry.rule.id] = tuple(_told(finding, before[finding.id], bad) for finding in entry.check(again))
    return tuple(sorted((finding for findings in found.values() for finding in findings), key=by_weight))


def erroneous(orders: Iterable[Order], findings: Iterable[Finding]) -> dict[Order, list[str]]:
    """Return the orders in which something fails -> the rules that say so, sorted."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    found = {order: sorted({f.rule for f in errors if concerns(f, order)}) for order in orders}
    return {order: names for order, names in found.items() if names}


def concerns(finding: Finding, order: Order) -> bool:
    """Tell whether a finding is about an order: it names it, or a package that fails by itself, or none at all."""
    failing = failing_orders(finding)
    return not failing or order in failing or any(len(each) == 1 and each[0] in order for each in failing)


def _told(finding: Finding, before: Finding, bad: dict[Order, list[str]]) -> Finding:
    """Say what is left of an order that avoids this finding and no other."""
    if finding.safe_order is not None or before.safe_order is None:
        return finding
    why = ", ".join(bad[before.safe_order])
    order = " before ".join(before.safe_order)
    text = f"Importing {order} avoids this finding only: in that order the model finds another error ({why})."
    return replace(finding, advice=(*finding.advice, Advice("user", text)))

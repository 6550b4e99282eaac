"""All rules over what was played, and the orders that their errors leave.

A rule knows its own findings only. An order is safe when no rule has an error in it, so rules that named an order in
which another one has an error are asked again.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.rules.case import Stage
from abiclash.rules.model import Advice, Confidence, Severity, by_weight, failing_orders
from abiclash.rules.registry import rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding
    from abiclash.rules.registry import Registered

Order = tuple[str, ...]


def judge(case: Case, entries: Sequence[Registered] | None = None) -> tuple[Finding, ...]:
    """Return the findings of all rules (or of some), the gravest first; every order that they call safe is."""
    sure = _Sureness(case)
    found = {
        entry.rule.id: tuple(sure.limit(finding) for finding in entry.check(case))
        for entry in (rules() if entries is None else entries)
    }
    orders = list(dict.fromkeys(run.order for run in case.runs))
    bad = erroneous(orders, (finding for findings in found.values() for finding in findings))
    rash = {name for name, findings in found.items() if any(finding.safe_order in bad for finding in findings)}
    again = replace(case, erroneous=frozenset(bad))
    for entry in rules() if entries is None else entries:
        if entry.rule.id in rash:
            before = {finding.id: finding for finding in found[entry.rule.id]}
            told = (sure.limit(finding) for finding in entry.check(again))
            found[entry.rule.id] = tuple(_told(finding, before[finding.id], bad) for finding in told)
    return tuple(sorted((finding for findings in found.values() for finding in findings), key=by_weight))


class _Sureness:
    """How sure it is that imports load what findings speak of."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._imports = {run.order: run for run in case.runs if run.stage is Stage.IMPORT}
        self._only_possible: dict[Order, frozenset[str]] = {}

    def limit(self, finding: Finding) -> Finding:
        """Return a finding; an error at import as a warning where no import is known to load one of its objects.

        It may be loaded all the same: by a function that nothing is seen to call, or a condition that is unknown.
        """
        if finding.severity is not Severity.ERROR or finding.evidence.get("stage") != Stage.IMPORT.value:
            return finding
        orders = [order for order in failing_orders(finding) if order in self._imports]
        if not orders or any(self._possible(order).isdisjoint(finding.objects) for order in orders):
            return finding
        return replace(finding, severity=Severity.WARNING, confidence=Confidence.POSSIBLE)

    def _possible(self, order: Order) -> frozenset[str]:
        """Return the paths of objects that came with loads that are only possible."""
        if order not in self._only_possible:
            loads = (p for p in self._imports[order].played if p.load.certainty == "possible")
            self._only_possible[order] = frozenset(self._case.path(file) for p in loads for file in p.event.new)
        return self._only_possible[order]


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

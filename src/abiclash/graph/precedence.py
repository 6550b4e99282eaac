"""What must be imported before what: read off the orders in which errors were seen, as the model played them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from abiclash.rules.model import failing_orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.rules.model import Finding

    Order = tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Precedence:
    """`before` has to be imported before `after`, for the finding is seen in an order that was played (`failing`).

    before is after: it fails wherever it stands.
    """

    before: str
    after: str
    finding: str
    failing: tuple[str, ...]


def precedences(errors: Iterable[Finding], played: Sequence[Order], requested: Sequence[str]) -> list[Precedence]:
    """Return what the errors demand of any order. played: all orders; requested: the packages to be ordered."""
    demands = {demand for finding in errors for demand in _demands(finding, played, requested)}
    return sorted(demands)


def _demands(finding: Finding, played: Sequence[Order], requested: Sequence[str]) -> Iterator[Precedence]:
    named = {package.name for package in finding.packages}
    about = [name for name in requested if name in named]
    failing = failing_orders(finding)
    whole = [order for order in played if named & set(requested) <= set(order)]
    if not about:
        return
    if not failing or set(whole) <= set(failing):
        yield from _hopeless(finding, about, failing or list(whole) or [tuple(about)])
        return
    passing = [order for order in whole if order not in failing]
    for first, second in permutations(about, 2):
        bad = [order for order in failing if _precedes(first, second, order)]
        if bad and not any(_precedes(first, second, order) for order in passing):
            yield Precedence(second, first, finding.id, min(bad))


def _hopeless(finding: Finding, about: Sequence[str], failing: Sequence[Order]) -> Iterator[Precedence]:
    """An error of every order: each of two would have to be imported before the other."""
    if len(about) == 1:
        yield Precedence(about[0], about[0], finding.id, min(failing))
        return
    for first, second in ((about[0], about[1]), (about[1], about[0])):
        bad = [order for order in failing if _precedes(first, second, order)]
        yield Precedence(second, first, finding.id, min(bad or failing))


def _precedes(first: str, second: str, order: Order) -> bool:
    return first in order and second in order and order.index(first) < order.index(second)

"""Which import orders to play.

All orders of a small set. Of a larger one the order as given, then each package first that would decide something
(`contact`) in a way that no order played so far has shown. What one of two packages would do to the other is seen in
one of them, unless a third package stands between the two; then these two are played without the others.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from abiclash.contact import Claim, Surface

    Order = tuple[str, ...]

ALL_ORDERS_UP_TO = 3
"""Sets of at most this many packages are played in every order."""


def all_orders(names: Sequence[str]) -> list[Order]:
    """Return every order of a small set; none of a single package."""
    return list(permutations(names)) if len(names) > 1 else []


def orders_that_matter(
    names: Sequence[str], surfaces: Mapping[str, Surface], shown: Callable[[Order, AbstractSet[Claim]], set[Claim]]
) -> list[Order]:
    """Return the given order and those that can differ from it: orders of all packages, and of two.

    surfaces: of each package. shown: plays an order and returns which of some claims came true in it.
    """
    given = tuple(names)
    orders = {given: None}
    missing: set[Claim] = set().union(*(surfaces[name].claims for name in given))
    missing -= surfaces[given[0]].claims | shown(given, missing)
    while missing:
        first = max(given, key=lambda name: len(surfaces[name].claims & missing))  # the earliest of equals
        order = _led_by(first, given, surfaces)
        orders[order] = None
        missing -= surfaces[first].claims | shown(order, missing)
        orders |= dict.fromkeys((first, second) for second in _shielded(order, surfaces))
    return list(orders)


def _led_by(first: str, given: Order, surfaces: Mapping[str, Surface]) -> Order:
    """Put one package first, and last those that fill the global scope, for they change what all later ones get."""
    rest = [name for name in given if name != first]
    return (first, *sorted(rest, key=lambda name: bool(surfaces[name].about("scope"))))


def _shielded(order: Order, surfaces: Mapping[str, Surface]) -> Iterator[str]:
    """Yield the packages for which another one, after the first, decides what the first alone would have left open.

    That is: which file a name means, or how an object is bound where the first could have had a hand in it; and what
    is in the global scope.
    """
    first = surfaces[order[0]]
    reaches_all = bool(first.about("scope", "unique"))
    decided: dict[tuple[str, Hashable], set[Hashable]] = {}
    scoped = False
    for place, name in enumerate(order[1:]):
        own = surfaces[name]
        left_open = [claim for claim in own.claims if _open(claim, first, reaches_all=reaches_all)]
        changed = any(decided.get((claim.kind, claim.about), set()) - {claim.choice} for claim in left_open)
        if place and (changed or scoped) and (reaches_all or first.about() & own.about()):
            yield name
        for claim in left_open:
            decided.setdefault((claim.kind, claim.about), set()).add(claim.choice)
        scoped = scoped or bool(own.about("scope"))


def _open(claim: Claim, first: Surface, *, reaches_all: bool) -> bool:
    """Whether the package in front has not decided it, and could still matter for it."""
    matters = claim.kind == "name" or (claim.kind == "object" and reaches_all)
    return matters and (claim.kind, claim.about) not in first.about()

"""Import orders in few words: an order of fifty packages is told by what is special about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FEW = 6
"""An order of at most this many packages is shown whole."""
_FRONT = 3
_GAP = "..."


def whole(order: Iterable[str]) -> str:
    """Return all names."""
    return ", ".join(name(package) for package in order)


def against(order: Sequence[str], given: Sequence[str]) -> str:
    """Return what sets an order apart from the given one: the packages that it puts first."""
    if len(order) <= FEW:
        return whole(order)
    if tuple(order) == tuple(given):
        return f"{len(order)} packages as given"
    front = list(order[: _leading(order, given)])
    if len(front) > _FRONT:
        return f"{whole(order[:_FRONT])}, {_GAP} ({len(order)} packages)"
    return f"{whole(front)} first"


def around(order: Sequence[str], named: Iterable[str]) -> str:
    """Return an order with the packages that a finding is about; a gap stands for any number of others."""
    wanted = set(named)
    if len(order) <= FEW or not wanted & set(order):
        return whole(order) if len(order) <= FEW else against(order, ())
    shown: list[str] = []
    for package in order:
        if package in wanted:
            shown.append(name(package))
        elif not shown or shown[-1] != _GAP:
            shown.append(_GAP)
    return ", ".join(shown)


def _leading(order: Sequence[str], given: Sequence[str]) -> int:
    """Return how many packages stand in front of the first one that is where it would be anyway."""
    for place, package in enumerate(order):
        front = set(order[:place])
        if package == next((other for other in given if other not in front), None):
            return place
    return len(order)

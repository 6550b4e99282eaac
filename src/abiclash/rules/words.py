"""Pieces of plain English that several rules share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def counted(number: int, noun: str) -> str:
    """Return "1 function", "2 functions", "2 libraries"."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def listed(names: Iterable[str], limit: int = 3) -> str:
    """Return names as running text, sorted and without repeats: "a, b and 4 more"."""
    distinct = sorted(set(names))
    if len(distinct) > limit:
        shown, rest = distinct[:limit], f"{len(distinct) - limit} more"
        return f"{', '.join(shown)} and {rest}"
    if len(distinct) > 1:
        return f"{', '.join(distinct[:-1])} and {distinct[-1]}"
    return distinct[0] if distinct else "nothing"


def in_order(order: Sequence[str]) -> str:
    """Return an import order as people say it."""
    return ", then ".join(order)

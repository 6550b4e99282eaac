"""Delta debugging: the smallest part of a set that still has an effect (Zeller and Hildebrandt 2002, ddmin)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def minimise(
    items: Sequence[str], effective: Callable[[frozenset[str]], bool], stop: Callable[[], bool] = lambda: False
) -> tuple[tuple[str, ...], bool]:
    """Return an effective subset, in the order of `items`, and whether leaving out any one of it ends the effect.

    `items` as a whole must be effective. stop: asked before each test; when it says so, the best subset so far is
    returned as it is. Equal sets are tested once.
    """
    known: dict[frozenset[str], bool] = {}

    def works(part: Sequence[str]) -> bool:
        chosen = frozenset(part)
        if chosen not in known:
            known[chosen] = effective(chosen)
        return known[chosen]

    best, parts = list(items), 2
    while len(best) > 1:
        smaller = None
        for candidate in _candidates(best, parts):
            if stop():
                return tuple(best), False
            if works(candidate):
                smaller = candidate
                break
        if smaller is not None:
            # A piece is cut in two again, a complement stays as finely cut as it is.
            parts = 2 if len(smaller) <= len(best) // 2 else max(parts - 1, 2)
            best = smaller
        elif parts >= len(best):
            break
        else:
            parts = min(len(best), 2 * parts)
    return tuple(best), True


def _candidates(items: Sequence[str], parts: int) -> list[list[str]]:
    """Return the pieces of about one size, then what is left without each of them."""
    edges = [len(items) * at // parts for at in range(parts + 1)]
    spans = list(itertools.pairwise(edges))
    pieces = [list(items[start:end]) for start, end in spans]
    return pieces + [[*items[:start], *items[end:]] for start, end in spans if parts > 2]

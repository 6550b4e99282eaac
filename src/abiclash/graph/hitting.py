"""Minimum hitting sets: the fewest things that together touch every one of some sets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_STEPS = 200_000
"""Branches to try before a good answer is taken instead of the best."""


@dataclass(frozen=True, slots=True)
class Hitting:
    """sets: hitting sets of one size, each sorted. exact: there is no smaller one, and these are all of that size
    unless `more`.
    """

    sets: tuple[tuple[str, ...], ...]
    exact: bool
    more: bool = False


def minimum(sets: Iterable[Iterable[str]], most: int = 10) -> Hitting:
    """Return the minimum hitting sets, at most so many; of large inputs one that a greedy choice makes.

    Sets without members cannot be hit and must not be there.
    """
    left = _minimal(sets)
    budget = [_STEPS]
    for size in range(len(left) + 1):
        found: dict[tuple[str, ...], None] = {}
        for chosen in _search(left, frozenset(), size, budget):
            found[tuple(sorted(chosen))] = None
            if len(found) > most:
                break
        if budget[0] <= 0:
            return Hitting((_greedy(left),), exact=False)
        if found:
            return Hitting(tuple(sorted(found))[:most], exact=True, more=len(found) > most)
    raise AssertionError("a set without members")


def _minimal(sets: Iterable[Iterable[str]]) -> list[frozenset[str]]:
    """Return the sets that no other one is a part of, the smallest first: hitting these hits all."""
    kept: list[frozenset[str]] = []
    for candidate in sorted({frozenset(one) for one in sets}, key=lambda one: (len(one), sorted(one))):
        if not any(other <= candidate for other in kept):
            kept.append(candidate)
    return kept


def _search(
    left: Sequence[frozenset[str]], chosen: frozenset[str], size: int, budget: list[int]
) -> Iterator[frozenset[str]]:
    """Yield the hitting sets of at most `size` more members: one member of the first set must be among them."""
    budget[0] -= 1
    if budget[0] <= 0:
        return
    if not left:
        yield chosen
        return
    if size < _disjoint(left):
        return
    for member in sorted(left[0]):
        rest = [one for one in left if member not in one]
        yield from _search(rest, chosen | {member}, size - 1, budget)


def _disjoint(sets: Sequence[frozenset[str]]) -> int:
    """Return a lower bound: so many sets that share nothing need a member each."""
    covered: set[str] = set()
    count = 0
    for one in sets:
        if not one & covered:
            covered |= one
            count += 1
    return count


def _greedy(sets: Sequence[frozenset[str]]) -> tuple[str, ...]:
    chosen: list[str] = []
    left = list(sets)
    while left:
        counts = Counter(member for one in left for member in one)
        best = min(counts, key=lambda member: (-counts[member], member))
        chosen.append(best)
        left = [one for one in left if best not in one]
    return tuple(sorted(chosen))

"""References that are bound differently from one import order to another, grouped by who refers and what it gets.

What most references get never changes, and equal bindings of several processes are one array (`SharedBindings`). So
the work is that of the few objects with more than one such array, and a million bindings end in some hundred groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import Place
from abiclash.linker.lookup import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.world import World
    from abiclash.rules.case import Run

NOT_LOADED = -1


@dataclass(frozen=True, slots=True)
class Group:
    """Symbols of one object that are bound alike in each run.

    targets: file id for each variant of `Changing`, NOT_FOUND where the reference stays empty.
    keys: uint64, distinct symbols. places: uint8 `Place` of their definitions; both of one length.
    """

    targets: tuple[int, ...]
    keys: NDArray[np.uint64]
    places: NDArray[np.uint8]

    @property
    def variables(self) -> int:
        """How many of the symbols are data that can change."""
        return int(np.count_nonzero(np.isin(self.places, (Place.DATA, Place.BSS, Place.TLS))))


@dataclass(frozen=True, slots=True)
class Changing:
    """An object that is not bound alike in all runs. variant: for each run which of its bindings, or NOT_LOADED."""

    file: int
    variant: tuple[int, ...]
    groups: tuple[Group, ...]


def changes(runs: Sequence[Run], world: World) -> Iterator[Changing]:
    """Yield the objects that are bound in two or more ways, by file id. world: the one of all runs."""
    files = sorted({file for run in runs for file in run.process.maps})
    for file in files:
        bound = [run.process.maps[file].targets if file in run.process.maps else None for run in runs]
        variant, distinct = _distinct(bound)
        if len(distinct) < 2:
            continue
        rows = _rows(runs, file, variant, len(distinct))
        yield Changing(file, variant, tuple(_groups(np.stack(distinct), np.stack(rows), file, world)))


def _distinct(bound: Sequence[NDArray[np.int32] | None]) -> tuple[tuple[int, ...], list[NDArray[np.int32]]]:
    """Return for each run the number of its array among the distinct ones, and these."""
    distinct: list[NDArray[np.int32]] = []
    known: dict[int, int] = {}
    variant = []
    for targets in bound:
        if targets is None:
            variant.append(NOT_LOADED)
            continue
        if id(targets) not in known:
            equal = (number for number, other in enumerate(distinct) if np.array_equal(other, targets))
            number = next(equal, len(distinct))
            if number == len(distinct):
                distinct.append(targets)
            known[id(targets)] = number
        variant.append(known[id(targets)])
    return tuple(variant), distinct


def _rows(runs: Sequence[Run], file: int, variant: Sequence[int], count: int) -> list[NDArray[np.int32]]:
    """Return for each variant the rows in the targets' `Symbols`."""
    found = []
    for number in range(count):
        rows = runs[variant.index(number)].process.maps[file].target_rows
        found.append(rows if rows is not None else np.zeros(0, dtype=np.int32))
    return found


def _groups(targets: NDArray[np.int32], rows: NDArray[np.int32], file: int, world: World) -> Iterator[Group]:
    """Yield the references that differ, those with equal targets together. targets, rows: (variants, references)."""
    differ = np.flatnonzero((targets != targets[0]).any(axis=0))
    keys, first = np.unique(world.table(file).queries.key[differ], return_index=True)
    differ = differ[first]  # a symbol that several kinds of relocation use counts once
    columns, member, count = np.unique(targets[:, differ], axis=1, return_inverse=True, return_counts=True)
    places = _places(targets[:, differ], rows[:, differ], world)
    members = np.split(np.argsort(member.reshape(-1), kind="stable"), np.cumsum(count)[:-1])
    for number, mine in enumerate(members):
        yield Group(tuple(columns[:, number].tolist()), keys[mine], places[mine])


def _places(targets: NDArray[np.int32], rows: NDArray[np.int32], world: World) -> NDArray[np.uint8]:
    """Return what each symbol is, by the first definition that any variant finds."""
    places = np.zeros(targets.shape[1], dtype=np.uint8)
    for bound, row in zip(targets[::-1], rows[::-1], strict=True):
        for target in np.unique(bound[bound != NOT_FOUND]).tolist():
            facts = world.facts[target]
            if facts is not None:
                mine = bound == target
                places[mine] = facts.symbols.place[row[mine]]
    return places

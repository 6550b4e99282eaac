"""What two packages have both: library names, and weak or unique definitions; found by joins on names."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from abiclash.graph.model import EdgeKind
from abiclash.graph.ties import Ends, Ties
from abiclash.linker.tables import STB_GNU_UNIQUE, STB_WEAK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from abiclash.rules.case import Case

_CELLS = 1 << 24  # of one matrix: 64 MB


def shared_sonames(case: Case, files: Sequence[int], ties: Ties) -> None:
    """Add ties between different files of one DT_SONAME, of two packages or of a package and the host."""
    named: dict[str, list[int]] = defaultdict(list)
    for file in files:
        if soname := case.facts(file).soname:
            named[soname].append(file)
    for same in named.values():
        for one, other in combinations(sorted(same), 2):
            if case.owner(one) != case.owner(other):
                ties.add(Ends(one, other, EdgeKind.SHARES_SONAME), 1, 0)


def duplicates(case: Case, files: Sequence[int], ties: Ties) -> None:
    """Add ties between files of different owners that define the same names as weak, or as unique."""
    numbers = {owner: number for number, owner in enumerate(dict.fromkeys(map(case.owner, files)))}
    owner = np.array([numbers[case.owner(file)] for file in files], dtype=np.int64)
    for binding, kind in ((STB_WEAK, EdgeKind.DUPLICATES_WEAK), (STB_GNU_UNIQUE, EdgeKind.DUPLICATES_UNIQUE)):
        key, place = _definitions(case, files, binding)
        number, place = _of_several(key, place, owner)
        used, place = np.unique(place, return_inverse=True)
        for first, second, count in _pairs(number, place, len(used)):
            one, other = int(used[first]), int(used[second])
            if owner[one] != owner[other]:
                low, high = sorted((files[one], files[other]))
                ties.add(Ends(low, high, kind), count, 0)


def _definitions(case: Case, files: Sequence[int], binding: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the names that files define with a binding, and the places of those files in the list; no repeats."""
    keys, places = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for place, file in enumerate(files):
        symbols = case.facts(file).symbols
        own = np.unique(symbols.key[(symbols.info >> 4 == binding) & (symbols.shndx != 0) & symbols.hashed])
        keys.append(own)
        places.append(np.full(len(own), place, dtype=np.int64))
    return np.concatenate(keys), np.concatenate(places)


def _of_several(
    key: NDArray[np.uint64], place: NDArray[np.int64], owner: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (name number, place) of the names that files of several owners define."""
    order = np.argsort(key, kind="stable")
    place = place[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = key[order][1:] != key[order][:-1]
    number = np.cumsum(new) - 1
    starts = np.flatnonzero(new)
    if not len(starts):
        return number, place
    several = np.minimum.reduceat(owner[place], starts) != np.maximum.reduceat(owner[place], starts)
    keep = several[number]
    return number[keep], place[keep]


def _pairs(number: NDArray[np.int64], place: NDArray[np.int64], files: int) -> list[tuple[int, int, int]]:
    """Return (place, place, names that both define).

    Many names are defined by the same set of files: each set is counted once, with its number of names; the counts of
    pairs are then a product of two matrices, sets by files.
    """
    if not len(number):
        return []
    weight = np.random.default_rng(0).integers(1, 2**63, files, dtype=np.uint64)  # a set's hash: the sum of its files'
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    with np.errstate(over="ignore"):
        hashes = np.add.reduceat(weight[place], starts)
    _, first, count = np.unique(hashes, return_index=True, return_counts=True)
    ends = np.append(starts[1:], len(number))
    total = np.zeros((files, files))
    step = max(_CELLS // files, 1)
    for at in range(0, len(first), step):
        chosen = first[at : at + step]
        lengths = ends[chosen] - starts[chosen]
        member = np.zeros((len(chosen), files), dtype=np.float32)
        rows = np.repeat(np.arange(len(chosen)), lengths)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        member[rows, place[np.repeat(starts[chosen], lengths) + within]] = 1
        total += (member.T * count[at : at + step]) @ member
    ones, others = np.nonzero(np.triu(total, 1))
    return [(int(a), int(b), int(total[a, b])) for a, b in zip(ones, others, strict=True)]

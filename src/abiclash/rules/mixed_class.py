"""Classes of which a shared library uses one implementation and its other users another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.crossings import column, is_function, is_strong
from abiclash.rules.families import Family, Member, family

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.crossings import Crossing

FATAL_RATIO = 2
"""Code sizes of one function that differ by more than this tell two implementations from two builds of one.

Measured on real wheels: 3.8 where an object made by one and used by the other crashed, at most 1.3 elsewhere.
"""
SMALLEST = 64
"""Bytes of code below which a function only hands its arguments on, so that sizes tell nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One function that the library takes from elsewhere. theirs, own: bytes of code there and in the library."""

    key: int
    name: str
    theirs: int
    own: int

    @property
    def differs(self) -> bool:
        """The two cannot be builds of one implementation."""
        small, large = sorted((self.theirs, self.own))
        return small > 0 and large >= SMALLEST and large > FATAL_RATIO * small


@dataclass(frozen=True, slots=True)
class Mixed:
    """A class whose members come from two implementations. taken: by the library; used: keys -> names that
    `victim` (file id) takes from the library itself."""

    family: Family
    taken: tuple[Taken, ...]
    victim: int
    used: dict[int, str]

    @property
    def differs(self) -> bool:
        return any(one.differs for one in self.taken)


def taken_functions(case: Case, capture: Crossing) -> list[Taken]:
    """Return the strong functions of the library itself among captured references, each once, by name."""
    info = capture.own_column("info")
    keep = capture.own & is_strong(info) & is_function(info)
    if not keep.any():
        return []
    capture = capture.take(keep)
    keys, first = np.unique(capture.keys, return_index=True)
    theirs = column(case, capture.target, capture.target_row, "size")[first].tolist()
    own = capture.own_column("size")[first].tolist()
    names = known_names(case, keys)
    found = [Taken(key, names[key], t, o) for key, t, o in zip(keys.tolist(), theirs, own, strict=True)]
    return sorted(found, key=lambda one: one.name)


def mixed(case: Case, run: Run, library: LinkMap, taken: list[Taken], victims: list[int]) -> Iterator[Mixed]:
    """Yield the families of which `library` takes members elsewhere while a victim takes others from it."""
    by_scope: dict[str, list[tuple[Family, Taken]]] = {}
    for one in taken:
        found = family(one.name)
        if found is not None and found.member is Member.FUNCTION:
            by_scope.setdefault(found.scope, []).append((found, one))
    captured = np.array([one.key for one in taken], dtype=np.uint64)
    for victim in victims:
        used: dict[str, dict[int, str]] = {}
        keys = _strong_uses(run.process.maps[victim], library)
        for key, name in known_names(case, np.setdiff1d(keys, captured)).items() if by_scope else ():
            found = family(name)
            if found is not None and found.member is Member.FUNCTION and found.scope in by_scope:
                used.setdefault(found.scope, {})[key] = name
        for scope in sorted(used):
            members = by_scope[scope]
            yield Mixed(members[0][0], tuple(one for _, one in members), victim, used[scope])


def _strong_uses(user: LinkMap, library: LinkMap) -> NDArray[np.uint64]:
    """Return the keys of the strong functions that an object takes from a library."""
    if user.targets is None or user.target_rows is None:
        return np.zeros(0, dtype=np.uint64)
    symbols = library.facts.symbols
    rows = np.unique(user.target_rows[user.targets == library.file])
    rows = rows[is_strong(symbols.info[rows]) & is_function(symbols.info[rows])]
    keys: NDArray[np.uint64] = symbols.key[rows]
    return keys


def known_names(case: Case, keys: NDArray[np.uint64]) -> dict[int, str]:
    """Return names of keys, remembering them: runs of one case ask for the same few again and again."""
    known = case._cache.setdefault("names", {})  # noqa: SLF001 - what rules share lives there
    assert isinstance(known, dict)  # noqa: S101 - for the type checker
    wanted = keys.tolist()
    missing = [key for key in wanted if key not in known]
    if missing:
        known.update(case.names(missing))
    return {key: known[key] for key in wanted if key in known}

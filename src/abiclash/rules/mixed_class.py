"""Families of functions of which one user meets two implementations.

A shared library calls its own functions through the dynamic linker, so a package can take over some of them. What
the library's other users call directly stays the library's. An object that was made by one and is read by the
other is handled by code that may not agree on what is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from abiclash.rules.crossings import column, is_function, is_strong, known_names
from abiclash.rules.families import Family, Member, family
from abiclash.rules.runtime_symbols import in_runtime_group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process
    from abiclash.rules.case import Case
    from abiclash.rules.crossings import Crossing

FATAL_RATIO = 2
"""Code sizes of one function that differ by more than this tell two implementations from two builds of one.

Measured on real wheels: 3.8 where an object made by one and used by the other crashed, at most 1.7 elsewhere.
"""
SMALLEST = 64
"""Bytes of code below which a function only hands its arguments on, so that sizes tell nothing."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A function that the library takes from elsewhere. theirs, own: bytes of code there and in the library."""

    key: int
    name: str
    theirs: int
    own: int
    family: Family

    @property
    def differs(self) -> bool:
        """The two cannot be builds of one implementation."""
        return sizes_differ(self.theirs, self.own)


@dataclass(frozen=True, slots=True)
class Mixed:
    """What `victim` (file id) gets of a family: `taken` through the library, `used` from the library itself.

    used: names by key. differs: the taken ones are another implementation, as far as their sizes tell.
    """

    family: Family
    taken: tuple[Taken, ...]
    victim: int
    used: dict[int, str]

    @property
    def differs(self) -> bool:
        return any(one.differs for one in self.taken)


def sizes_differ(one: int, other: int) -> bool:
    """Tell whether two code sizes in bytes cannot come from one source; 0 stands for unknown."""
    small, large = sorted((one, other))
    return small > 0 and large >= SMALLEST and large > FATAL_RATIO * small


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
    found = (
        Taken(key, names[key], int(their), int(size), belongs)
        for key, their, size in zip(keys.tolist(), theirs, own, strict=True)
        if key in names and (belongs := member_of(names[key])) is not None
    )
    return sorted(found, key=lambda one: one.name)


def mixed(
    case: Case, process: Process, library: LinkMap, taken: list[Taken], victims: Iterable[int]
) -> Iterator[Mixed]:
    """Yield the families of which a victim takes members from `library` but can reach others only through it.

    A taken function that the victim also calls directly is the library's own for it, so it is left out.
    """
    by_scope: dict[str, list[Taken]] = {}
    for one in taken:
        by_scope.setdefault(one.family.scope, []).append(one)
    if not by_scope:
        return
    for victim in victims:
        direct, members = _members_used(case, process.maps[victim], library)
        used: dict[str, dict[int, str]] = {}
        typed: set[str] = set()
        for key, name, found in members:
            if found.scope in by_scope:
                used.setdefault(found.scope, {})[key] = name
                typed.update([found.scope] if found.typed else [])
        for scope in sorted(used):
            through = tuple(one for one in by_scope[scope] if one.key not in direct)
            if through:
                known = replace(through[0].family, typed=scope in typed or any(one.family.typed for one in through))
                yield Mixed(known, through, victim, used[scope])


def _members_used(
    case: Case, user: LinkMap, library: LinkMap
) -> tuple[AbstractSet[int], Sequence[tuple[int, str, Family]]]:
    """Return the strong functions that an object takes from a library: all, and those of a family with their names."""

    def find() -> tuple[AbstractSet[int], Sequence[tuple[int, str, Family]]]:
        keys = strong_uses(user, library)
        names = known_names(case, keys).items()
        members = tuple((key, name, found) for key, name in names if (found := member_of(name)) is not None)
        return frozenset(keys.tolist()), members

    return case.once(("members used", library.file), [user.targets], find)


def member_of(name: str) -> Family | None:
    """Return the family of an ordinary function; of constructors and the like every user may have a copy."""
    found = None if in_runtime_group(name) else family(name)
    return found if found is not None and found.member is Member.FUNCTION else None


def strong_uses(user: LinkMap, library: LinkMap) -> NDArray[np.uint64]:
    """Return the keys of the strong functions that an object takes from a library."""
    if user.targets is None or user.target_rows is None:
        return np.zeros(0, dtype=np.uint64)
    symbols = library.facts.symbols
    rows = np.unique(user.target_rows[user.targets == library.file])
    rows = rows[is_strong(symbols.info[rows]) & is_function(symbols.info[rows])]
    keys: NDArray[np.uint64] = symbols.key[rows]
    return keys

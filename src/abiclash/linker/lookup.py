"""Symbol look-up, after glibc 2.36 elf/dl-lookup.c (check_match, do_lookup_x, _dl_lookup_symbol_x), for whole arrays.

All look-ups of one object go through the scope together, object by object; `definers` tells which objects of a long
scope can be left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.linker.tables import (
    BINDS_LOCALLY,
    HIDDEN_VERSION,
    LATER_VERSION,
    NO_VERSIONS,
    Q_COPY,
    Q_HIDDEN,
    Q_PLT,
    UNDEFINED,
    Queries,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from abiclash.linker.tables import Definitions

NOT_FOUND = -1


@dataclass(frozen=True, slots=True)
class Matches:
    """What each query found. file: int32 file id or NOT_FOUND. row: int32 in its `Symbols`. flags: uint8."""

    file: NDArray[np.int32]
    row: NDArray[np.int32]
    flags: NDArray[np.uint8]

    @classmethod
    def none(cls, count: int) -> Matches:
        """Return a table of look-ups that have found nothing yet."""
        return cls(
            np.full(count, NOT_FOUND, dtype=np.int32),
            np.full(count, NOT_FOUND, dtype=np.int32),
            np.zeros(count, dtype=np.uint8),
        )

    def enter(self, at: NDArray[np.intp], found: Matches) -> None:
        """Write the rows of `found` to the places `at`."""
        self.file[at], self.row[at], self.flags[at] = found.file, found.row, found.flags

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Matches:
        """Return some rows."""
        return Matches(self.file[rows], self.row[rows], self.flags[rows])


@dataclass(frozen=True, slots=True)
class Rules:
    """What differs between C libraries.

    default_is_fallback: since glibc 2.42 a definition without a version satisfies a versioned reference only if the
    object has no exact match (bug 29190); before, whichever came first in the hash chain did.
    """

    default_is_fallback: bool = False


def search(definitions: Definitions, file: int, queries: Queries, rules: Rules, executable: int = NOT_FOUND) -> Matches:
    """Find the match of each query in one object.

    file: the object's id. queries must be sorted by key. executable: id of the file that COPY relocations skip.
    """
    matches = Matches.none(len(queries.key))
    query, entry = _pairs(queries.key, definitions.key)
    if len(query):
        chosen = _first_matches(definitions, queries, query, entry, rules, copies=file != executable)
        found, at = entry[chosen], query[chosen]
        matches.file[at], matches.row[at], matches.flags[at] = file, definitions.row[found], definitions.flags[found]
    return matches


def search_files(
    table: Callable[[int], Definitions],
    files: Iterable[int],
    queries: Queries,
    rules: Rules,
    executable: int = NOT_FOUND,
) -> Matches:
    """Search objects one after the other: the first one with a match wins. table: returns an object's definitions."""
    matches = Matches.none(len(queries.key))
    left, pending = np.arange(len(queries.key)), queries
    for file in files:
        if not len(left):
            break
        found = search(table(file), file, pending, rules, executable)
        hit = found.file != NOT_FOUND
        if hit.any():
            matches.enter(left[hit], found.take(hit))
            left, pending = left[~hit], pending.take(~hit)
    return matches


def _pairs(wanted: NDArray[np.uint64], keys: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Join two sorted key columns; pairs come ordered by (query, entry).

    The shorter side is looked up in the longer one: an object's few definitions in many queries, or the reverse.
    """
    if not len(wanted) or not len(keys):
        nothing = np.zeros(0, dtype=np.intp)
        return nothing, nothing
    if len(keys) < len(wanted):
        left = np.searchsorted(wanted, keys, side="left")
        hit = wanted[np.minimum(left, len(wanted) - 1)] == keys
        left, entry = left[hit], np.flatnonzero(hit)
        right = np.searchsorted(wanted, keys[entry], side="right")
        query, entry = _expand(left, right, entry)
        order = np.argsort(query, kind="stable")
        return query[order], entry[order]
    left = np.searchsorted(keys, wanted, side="left")
    hit = keys[np.minimum(left, len(keys) - 1)] == wanted
    left, query = left[hit], np.flatnonzero(hit)
    right = np.searchsorted(keys, wanted[query], side="right")
    entry, query = _expand(left, right, query)
    return query, entry


def _expand(
    left: NDArray[np.intp], right: NDArray[np.intp], other: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Spell out the ranges [left, right), each with its partner in `other`."""
    length = right - left
    if (length == 1).all():
        return left, other
    ends = np.cumsum(length)
    inside = np.arange(int(ends[-1]), dtype=np.intp) - np.repeat(ends - length, length)
    return np.repeat(left, length) + inside, np.repeat(other, length)


def _first_matches(
    definitions: Definitions,
    queries: Queries,
    query: NDArray[np.intp],
    entry: NDArray[np.intp],
    rules: Rules,
    *,
    copies: bool,
) -> NDArray[np.intp]:
    """Return the positions in the pair list that win: check_match for each pair, then do_lookup_x's walk.

    copies: COPY relocations may end here.
    """
    wanted, offered = queries.flags[query], definitions.flags[entry]
    exact, fallback = _check_match(queries.version[query], wanted, definitions.version[entry], offered, rules)
    skip = ((wanted & Q_PLT) != 0) & ((offered & UNDEFINED) != 0)
    if not copies:
        skip |= (wanted & Q_COPY) != 0
    exact &= ~skip
    fallback &= ~skip
    matches: NDArray[np.intp] = np.flatnonzero(exact)
    if fallback.any():
        matches = np.union1d(matches, _sole_fallbacks(query, exact, fallback))
    # The first match counts; a local one then hides the others here, but not those of the next objects.
    matches = matches[_first_of_run(query[matches])]
    winners: NDArray[np.intp] = matches[(offered[matches] & BINDS_LOCALLY) == 0]
    return winners


def _check_match(
    wanted_version: NDArray[np.int32],
    wanted: NDArray[np.uint8],
    offered_version: NDArray[np.int32],
    offered: NDArray[np.uint8],
    rules: Rules,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Decide (matches, counts as versioned_sym) by the version clauses of check_match."""
    no_table = (offered & NO_VERSIONS) != 0
    hidden = (offered & HIDDEN_VERSION) != 0
    later = (offered & LATER_VERSION) != 0
    versioned = wanted_version != 0
    default = (offered_version == 0) & ~hidden & ((wanted & Q_HIDDEN) == 0)
    exact = no_table | np.where(versioned, offered_version == wanted_version, ~later)
    fallback = ~no_table & ~versioned & later & ~hidden
    if rules.default_is_fallback:
        fallback |= ~exact & versioned & default
    else:
        exact |= versioned & default
    return exact, fallback


def _sole_fallbacks(query: NDArray[np.intp], exact: NDArray[np.bool_], fallback: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the pairs with num_versions == 1 for a query without an exact match."""
    candidates = np.flatnonzero(fallback)
    unique, first, count = np.unique(query[candidates], return_index=True, return_counts=True)
    sole = (count == 1) & ~np.isin(unique, query[exact])
    winners: NDArray[np.intp] = candidates[first[sole]]
    return winners


def _first_of_run(column: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Mark the first row of each run of equal rows."""
    first = np.ones(len(column), dtype=np.bool_)
    np.not_equal(column[1:], column[:-1], out=first[1:])
    return first

"""Properties of look-ups over arrays, against glibc's loop written out plainly, and laws that it implies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.linker.lookup import NOT_FOUND, Matches, Rules, search_files
from abiclash.linker.pinned import UniqueTable
from abiclash.linker.tables import (
    BINDS_LOCALLY,
    HIDDEN_VERSION,
    LATER_VERSION,
    NO_VERSIONS,
    Q_COPY,
    Q_HIDDEN,
    Q_PLT,
    UNDEFINED,
    WEAK,
    Definitions,
    Queries,
)

EXECUTABLE = 0
RULES = [Rules(), Rules(default_is_fallback=True)]


@dataclass(frozen=True)
class Entry:
    """A symbol that a hash table holds."""

    key: int
    version: int
    flags: int


@dataclass(frozen=True)
class Query:
    """A look-up."""

    key: int
    version: int
    flags: int


@st.composite
def tables(draw: st.DrawFn) -> list[Entry]:
    """Entries of one object, in the order of its symbol table."""
    bare = draw(st.booleans())
    count = draw(st.integers(0, 6))
    entries = []
    for _ in range(count):
        flags = sum(draw(st.sets(st.sampled_from([UNDEFINED, BINDS_LOCALLY, WEAK]), max_size=2)))
        version = 0
        if bare:
            flags |= NO_VERSIONS
        else:
            version = draw(st.integers(0, 3))
            flags |= draw(st.sampled_from([0, 0, HIDDEN_VERSION])) | (LATER_VERSION if version >= 2 else 0)
        entries.append(Entry(draw(st.integers(1, 3)), version, flags))
    return sorted(entries, key=lambda entry: entry.key)


queries = st.lists(
    st.builds(
        Query, st.integers(1, 4), st.integers(0, 3), st.sampled_from([0, Q_PLT, Q_COPY, Q_HIDDEN, Q_PLT | Q_HIDDEN])
    ),
    max_size=8,
)
scopes = st.lists(tables(), max_size=5)


def look_up(scope: list[list[Entry]], query: Query, rules: Rules) -> tuple[int, int]:
    """do_lookup_x with check_match, for one name. Returns (object, entry)."""
    for file, entries in enumerate(scope):
        if query.flags & Q_COPY and file == EXECUTABLE:
            continue
        chosen, fallback, versions = None, None, 0
        for place, entry in enumerate(entries):
            if entry.key != query.key or (query.flags & Q_PLT and entry.flags & UNDEFINED):
                continue
            hidden = entry.flags & HIDDEN_VERSION
            if entry.flags & NO_VERSIONS or (query.version and entry.version == query.version):
                chosen = place
            elif query.version:
                default = not (query.flags & Q_HIDDEN or entry.version or hidden)
                if default and not rules.default_is_fallback:
                    chosen = place
                elif default:
                    fallback, versions = (place if versions == 0 else fallback), versions + 1
            elif not entry.flags & LATER_VERSION:
                chosen = place
            elif not hidden:
                fallback, versions = (place if versions == 0 else fallback), versions + 1
            if chosen is not None:
                break
        if chosen is None and versions == 1:
            chosen = fallback
        if chosen is not None and not entries[chosen].flags & BINDS_LOCALLY:
            return file, chosen
    return NOT_FOUND, NOT_FOUND


def definitions(entries: list[Entry]) -> Definitions:
    """Return entries as columns; row: place in the list."""
    return Definitions(
        np.array([e.key for e in entries], dtype=np.uint64),
        np.arange(len(entries), dtype=np.int32),
        np.array([e.version for e in entries], dtype=np.int32),
        np.array([e.flags for e in entries], dtype=np.uint8),
    )


def columns(wanted: list[Query]) -> Queries:
    """Return queries as columns, sorted by key as `search` wants them."""
    ordered = sorted(wanted, key=lambda query: query.key)
    return Queries(
        np.array([q.key for q in ordered], dtype=np.uint64),
        np.array([q.version for q in ordered], dtype=np.int32),
        np.array([q.flags for q in ordered], dtype=np.uint8),
    )


def walk(
    scope: list[list[Entry]], wanted: list[Query], rules: Rules | None = None, first: int = 0
) -> list[tuple[int, int]]:
    """Search objects in order; return (object, entry) of each match. Ids count from `first`."""
    files, rules = range(first, first + len(scope)), rules or Rules()
    return found(search_files(lambda file: definitions(scope[file - first]), files, columns(wanted), rules, EXECUTABLE))


def found(matches: Matches) -> list[tuple[int, int]]:
    """Return (object, entry) of each match."""
    return list(zip(matches.file.tolist(), matches.row.tolist(), strict=True))


@pytest.mark.parametrize("rules", RULES)
@given(scope=scopes, wanted=queries)
def test_columns_find_what_the_loop_finds(scope: list[list[Entry]], wanted: list[Query], rules: Rules) -> None:
    """do_lookup_x: "The first match wins", object by object; since 2.42 with the base version as a fallback."""
    ordered = sorted(wanted, key=lambda query: query.key)
    assert walk(scope, wanted, rules) == [look_up(scope, query, rules) for query in ordered]


@given(scope=scopes, more=scopes, wanted=queries)
def test_an_object_at_the_end_changes_no_earlier_binding(
    scope: list[list[Entry]], more: list[list[Entry]], wanted: list[Query]
) -> None:
    """What was found stays; only what was undefined may be found now."""
    before, after = walk(scope, wanted), walk([*scope, *more], wanted)
    assert all(new == old for old, new in zip(before, after, strict=True) if old[0] != NOT_FOUND)


@given(scope=scopes, cut=st.integers(0, 5), wanted=queries)
def test_a_scope_can_be_searched_in_parts(scope: list[list[Entry]], cut: int, wanted: list[Query]) -> None:
    """l_scope is a list of lists: the first part with a match wins."""
    first, second = walk(scope[:cut], wanted), walk(scope[cut:], wanted, first=min(cut, len(scope)))
    assert walk(scope, wanted) == [one if one[0] != NOT_FOUND else two for one, two in zip(first, second, strict=True)]


def test_a_definition_without_version_is_a_fallback_since_2_42() -> None:
    """Bug 29190: before, the first of an object's chain won."""
    both = [[Entry(1, 0, 0), Entry(1, 2, LATER_VERSION)]]
    assert walk(both, [Query(1, 2, 0)]) == [(0, 0)]
    assert walk(both, [Query(1, 2, 0)], Rules(default_is_fallback=True)) == [(0, 1)]
    assert walk([[Entry(1, 0, 0)]], [Query(1, 2, 0)], Rules(default_is_fallback=True)) == [(0, 0)]


lookups = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5), st.integers(0, 3)), max_size=8)


def enter(table: UniqueTable, rows: list[tuple[int, int, int]]) -> tuple[UniqueTable, list[tuple[int, int]]]:
    """Enter (key, file, row) in order; return the table after it and what each look-up gets."""
    key, file, row = (np.array([r[i] for r in rows], dtype=t) for i, t in enumerate((np.uint64, np.int32, np.int32)))
    table = table.enter(key, file, row)
    files, places = table.of(key)
    return table, list(zip(files.tolist(), places.tolist(), strict=True))


@given(batches=st.lists(lookups, max_size=4))
def test_the_first_unique_definition_of_a_name_serves_all(batches: list[list[tuple[int, int, int]]]) -> None:
    """do_lookup_unique, whatever the batches."""
    table, kept = UniqueTable(), dict[int, tuple[int, int]]()
    for batch in batches:
        table, answers = enter(table, batch)
        assert answers == [kept.setdefault(key, (file, row)) for key, file, row in batch]


@given(rows=lookups, more=lookups)
def test_a_unique_table_is_never_changed(rows: list[tuple[int, int, int]], more: list[tuple[int, int, int]]) -> None:
    """Forks of a process share no state."""
    table, _ = enter(UniqueTable(), rows)
    state = table.key.tolist(), table.file.tolist(), table.row.tolist()
    enter(table, more)
    assert state == (table.key.tolist(), table.file.tolist(), table.row.tolist())

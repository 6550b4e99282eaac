"""What ties objects together in the processes that were played, counted with arrays."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from abiclash.graph.model import EdgeKind
from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.case import captured_references

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run

SAMPLE = 5
"""Symbols that an edge names."""
_STT_OBJECT, _STT_TLS = 1, 6


class Ends(NamedTuple):
    """A tie between two files of the world."""

    source: int
    target: int
    kind: EdgeKind


@dataclass(slots=True)
class Tie:
    """count: the most symbols in any process. orders: bit mask of the orders it was seen in. keys: some symbols."""

    count: int = 0
    orders: int = 0
    keys: tuple[int, ...] = ()


@dataclass(slots=True)
class Ties:
    """Collects ties; each is kept with its highest count."""

    found: dict[Ends, Tie] = field(default_factory=lambda: defaultdict(Tie))

    def add(self, ends: Ends, count: int, orders: int, keys: Sequence[int] = ()) -> None:
        tie = self.found[ends]
        tie.orders |= orders
        if count > tie.count:
            tie.count, tie.keys = count, tuple(keys)


@dataclass(slots=True)
class _Bound:
    """One way in which a file was bound, whatever processes it was so in."""

    link: LinkMap
    orders: int = 0


def played_ties(case: Case, runs: Sequence[Run], orders: Mapping[tuple[str, ...], int]) -> Ties:
    """Return needs, bindings, captures and shadows of processes. orders: import order -> its bit."""
    ties = Ties()
    together = _distinct(runs, orders)
    alone = _distinct(case.alone.values(), orders)
    for file, ways in together.items():
        for way in ways:
            _needs(ties, way)
            _bindings(case, ties, way)
            _captures(case, ties, way)
            for before in alone.get(file, ()):
                _shadows(case, ties, before.link, way)
    return ties


def _distinct(runs: Iterable[Run], orders: Mapping[tuple[str, ...], int]) -> dict[int, list[_Bound]]:
    """Return the different ways in which each file was bound: most are bound alike in all processes."""
    seen: dict[tuple[int, int, tuple[int, ...]], _Bound] = {}
    content: dict[int, int] = {}
    for run in runs:
        bit = orders.get(run.order, 0)
        refused = (link for event in run.process.events for link in event.discarded)
        for link in (*run.process.maps.values(), *run.process.closed, *refused):
            if link.targets is None:
                continue
            if id(link.targets) not in content:  # arrays live as long as their runs: the id stays theirs
                content[id(link.targets)] = hash(link.targets.tobytes())
            way = seen.setdefault((link.file, content[id(link.targets)], link.direct), _Bound(link))
            way.orders |= bit
    ways: dict[int, list[_Bound]] = defaultdict(list)
    for way in seen.values():
        ways[way.link.file].append(way)
    return ways


def _needs(ties: Ties, way: _Bound) -> None:
    for needed in way.link.direct:
        if needed != way.link.file:
            ties.add(Ends(way.link.file, needed, EdgeKind.NEEDS), 1, way.orders)


def _bindings(case: Case, ties: Ties, way: _Bound) -> None:
    link = way.link
    rows = _rows(link, _targets(link) != link.file)
    for target, symbols in _by_target(link, rows):
        keys = link.facts.symbols.key[symbols[:SAMPLE]] if case.owner(target) != case.owner(link.file) else ()
        ties.add(Ends(link.file, target, EdgeKind.BINDS_TO), len(symbols), way.orders, _ints(keys))


def _captures(case: Case, ties: Ties, way: _Bound) -> None:
    """What an object defines itself and gets from another package all the same."""
    link = way.link
    own = case.owner(link.file)
    symbols = link.facts.symbols
    for target, rows in _parts(_targets(link), captured_references(link)):
        if case.owner(target) == own:
            continue
        used = np.unique(link.facts.references.symbol[rows])
        ties.add(Ends(target, link.file, EdgeKind.CAPTURES), len(used), way.orders, _ints(symbols.key[used[:SAMPLE]]))
        mine = link.facts.references.symbol[rows]
        _differing(case, ties, way, (link.file, mine), (target, _target_rows(link)[rows]))


def _shadows(case: Case, ties: Ties, alone: LinkMap, way: _Bound) -> None:
    """What an object gets from somebody else than it does when its package is alone."""
    link = way.link
    before, after = _targets(alone), _targets(link)
    if before is after or len(before) != len(after):
        return
    changed = (before != after) & (before != NOT_FOUND) & (after != NOT_FOUND)
    rows = np.flatnonzero(changed & (before != link.file))  # what it defines itself is a capture
    for first, at in _parts(after, rows):
        for hidden, each in _parts(before, at):
            if case.owner(first) == case.owner(hidden):
                continue
            used = np.unique(link.facts.references.symbol[each])
            keys = link.facts.symbols.key[used[:SAMPLE]]
            ties.add(Ends(first, hidden, EdgeKind.SHADOWS), len(used), way.orders, _ints(keys))
            _differing(case, ties, way, (hidden, _target_rows(alone)[each]), (first, _target_rows(link)[each]))


def _differing(
    case: Case, ties: Ties, way: _Bound, one: tuple[int, NDArray[np.integer]], other: tuple[int, NDArray[np.integer]]
) -> None:
    """Note variables of two sizes. one, other: a file, and the rows of its `Symbols` that stand for each other."""
    first, second = case.facts(one[0]).symbols, case.facts(other[0]).symbols
    kind = first.info[one[1]] & 15
    variable = np.isin(kind, (_STT_OBJECT, _STT_TLS)) & (kind == second.info[other[1]] & 15)
    keys = np.unique(first.key[one[1]][variable & (first.size[one[1]] != second.size[other[1]])])
    if len(keys):
        ends = Ends(min(one[0], other[0]), max(one[0], other[0]), EdgeKind.DIFFERS_IN_ABI)
        ties.add(ends, len(keys), way.orders, _ints(keys[:SAMPLE]))


# -- arrays -------------------------------------------------------------------------------------------------------


def _targets(link: LinkMap) -> NDArray[np.int32]:
    return link.targets if link.targets is not None else np.zeros(0, dtype=np.int32)


def _target_rows(link: LinkMap) -> NDArray[np.int32]:
    return link.target_rows if link.target_rows is not None else np.zeros(0, dtype=np.int32)


def _rows(link: LinkMap, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.flatnonzero(wanted & (_targets(link) != NOT_FOUND))


def _parts(values: NDArray[np.int32], rows: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each distinct value that rows have, with those rows."""
    if not len(rows):
        return
    order = rows[np.argsort(values[rows], kind="stable")]
    found, starts = np.unique(values[order], return_index=True)
    yield from zip(found.tolist(), np.split(order, starts[1:]), strict=True)


def _by_target(link: LinkMap, rows: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Yield each file that references are bound to, with the distinct symbols."""
    for target, at in _parts(_targets(link), rows):
        yield target, np.unique(link.facts.references.symbol[at])


def _ints(values: Iterable[np.generic] | NDArray[np.generic] | tuple[()]) -> list[int]:
    return [int(value) for value in values]

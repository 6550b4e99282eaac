"""Candidate pairs through the linker and the rules, a few of one package at a time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.corpus.bench import bench, uncollected
from abiclash.corpus.keys import engine, key
from abiclash.corpus.signature import Kind
from abiclash.corpus.survey import finding_document
from abiclash.errors import SourceError
from abiclash.imports.plan_document import KIND as PLANS
from abiclash.linker.link_map import LoadFailure
from abiclash.planner import joined
from abiclash.rules.judging import judge
from abiclash.scanning import play, unread_of
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.corpus.bench import Bench, Place
    from abiclash.corpus.lock import Root
    from abiclash.corpus.manifest import Variant
    from abiclash.facts.store import Store
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run

_PYTHON_SIDE = sum(1 << kind for kind in (Kind.HAS, Kind.PROJECT, Kind.TOP, Kind.SETS))

CHUNK = 6
"""Pairs in one task: enough for a package to be read once for several, few enough to share among workers."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two packages, the earlier of the corpus first. follow: their imports may go other ways together than alone."""

    one: Root
    other: Root
    follow: bool

    @property
    def names(self) -> list[str]:
        return [self.one.name, self.other.name]

    def path(self, variant: Variant, orders: str, *, observed: bool) -> str:
        """Return where its result lies: under a key of all files that take part, the variant and the engine."""
        parts = [[root.name, root.files] for root in (self.one, self.other)]
        name = key(engine(), asdict(variant), orders, parts, self.follow, observed)
        return f"pairs/{name[:2]}/{name}.json"


@dataclass(frozen=True, slots=True)
class PairsTask:
    """Simulate some pairs that have a package in common."""

    place: Place
    pairs: tuple[Pair, ...]


def wanted(pairs: Iterable[tuple[Root, Root, int]]) -> list[Pair]:
    """Return the pairs to play. Each comes with the kinds by which it meets, as a bit mask.

    Where none of them is about Python's side, each package imports what it imports alone, and following both once
    more would find the same.
    """
    return [Pair(one, other, bool(mask & _PYTHON_SIDE)) for one, other, mask in pairs]


def tasks(place: Place, pairs: Iterable[Pair]) -> list[PairsTask]:
    """Return tasks of at most `CHUNK` pairs with one later package: what a worker has at hand serves several."""
    grouped: dict[str, list[Pair]] = {}
    for pair in pairs:
        grouped.setdefault(pair.other.name, []).append(pair)
    return [
        PairsTask(place, tuple(found[at : at + CHUNK]))
        for found in grouped.values()
        for at in range(0, len(found), CHUNK)
    ]


def simulate_pairs(task: PairsTask) -> int:
    """Simulate the pairs of a task, except those that are done; return how many were not."""
    desk = bench(task.place)
    count = 0
    for pair in task.pairs:
        where = pair.path(desk.lock.variant, desk.lock.orders, observed=task.place.observed)
        if not desk.results.has(where):
            with uncollected():
                content = _pair(desk, pair)
            desk.results.put(where, json.dumps(content, separators=(",", ":")).encode())
            count += 1
    return count


def _pair(desk: Bench, pair: Pair) -> dict[str, Any]:
    one, other = pair.one, pair.other
    try:
        setting, wheels, planner = desk.laid_out([one, other], documents=_Unkept(desk.store))
        if not pair.follow:
            alone = {root.name: desk.plan_alone(root) for root in (one, other)}
            orders = [(one.name,), (other.name,), (one.name, other.name), (other.name, one.name)]
            planner.take({order: joined([alone[name] for name in order]) for order in orders})
        player = Player(setting.world, setting.host, planner)
        case = play(setting, planner, player, every=desk.lock.orders == "all")
    except (LoadFailure, SourceError) as error:
        return _result(pair, [], [[", ".join(pair.names), str(error)]])
    unread = [[item.what, item.reason] for item in unread_of(setting, wheels, planner)]
    found = _result(pair, [finding_document(finding) for finding in judge(case)], unread)
    return found | {"interferes": interferes(case)}


class _Unkept:
    """The store, but no plan is put into it: a pair is followed once, and then its result is kept."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_document(self, kind: str, name: str) -> bytes | None:
        return self._store.get_document(kind, name)

    def put_document(self, kind: str, name: str, data: bytes) -> None:
        if kind != PLANS:
            self._store.put_document(kind, name, data)


def _result(pair: Pair, findings: Sequence[object], unread: Sequence[object]) -> dict[str, Any]:
    return {"pair": pair.names, "findings": findings, "not_analysed": unread, "interferes": False}


def interferes(case: Case) -> bool:
    """Tell whether an object is bound in company as it is not alone, or a load ends otherwise: MODEL's definition."""
    for run in case.together:
        if any(case.new_failures(run)):
            return True
        for name in run.order:
            alone = case.alone[name, run.stage]
            failed = {played.load.path for played in alone.played if played.event.failure is not None}
            ends = {played.load.path: played.event.failure is None for played in run.played}
            if any(ends.get(path) for path in failed):
                return True
            if any(_differs(run, alone)):
                return True
    return False


def _differs(run: Run, alone: Run) -> Iterator[bool]:
    """Yield, for each object of a package alone, whether it is bound otherwise together, or gone."""
    for file, link in alone.process.maps.items():
        joint = run.process.maps.get(file)
        if joint is None:
            yield True
        elif link.targets is not None and joint.targets is not None and link.targets is not joint.targets:
            yield not (np.array_equal(link.targets, joint.targets) and _rows_equal(link, joint))


def _rows_equal(one: LinkMap, other: LinkMap) -> bool:
    if one.target_rows is None or other.target_rows is None:
        return one.target_rows is other.target_rows
    return np.array_equal(one.target_rows, other.target_rows)

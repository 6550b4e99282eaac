"""Candidate pairs through the linker and the rules, a few of one package at a time."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.corpus.bench import bench
from abiclash.corpus.keys import engine, key
from abiclash.corpus.survey import finding_document
from abiclash.errors import SourceError
from abiclash.linker.link_map import LoadFailure
from abiclash.rules.judging import judge
from abiclash.scanning import play, unread_of
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.corpus.bench import Bench, Place
    from abiclash.corpus.lock import Root
    from abiclash.corpus.manifest import Variant
    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run

CHUNK = 6
"""Pairs in one task: what a killed worker loses at most, and few enough files at the size of an index."""


@dataclass(frozen=True, slots=True)
class PairsTask:
    """Simulate one package with some others."""

    place: Place
    one: Root
    others: tuple[Root, ...]


def tasks(place: Place, pairs: Iterable[tuple[Root, Root]]) -> list[PairsTask]:
    """Return the tasks for pairs: those of one package together, `CHUNK` of them at most."""
    grouped: dict[Root, list[Root]] = {}
    for one, other in pairs:
        grouped.setdefault(one, []).append(other)
    return [
        PairsTask(place, one, tuple(others[at : at + CHUNK]))
        for one, others in grouped.items()
        for at in range(0, len(others), CHUNK)
    ]


def path(variant: Variant, orders: str, task: PairsTask) -> str:
    """Return where the result of a task lies: under a key of all files that take part, the variant and the engine."""
    parts = [[root.name, root.files] for root in (task.one, *task.others)]
    name = key(engine(), asdict(variant), orders, parts)
    return f"pairs/{name[:2]}/{name}.json"


def simulate_pairs(task: PairsTask) -> str:
    """Simulate the pairs of a task unless that is done; return where the result is."""
    desk = bench(task.place)
    where = path(desk.lock.variant, desk.lock.orders, task)
    if not desk.results.has(where):
        found = [_pair(desk, task.one, other) for other in task.others]
        desk.results.put(where, json.dumps(found, separators=(",", ":")).encode())
    return where


def _pair(desk: Bench, one: Root, other: Root) -> dict[str, Any]:
    try:
        setting, wheels, planner = desk.laid_out([one, other])
        player = Player(setting.world, setting.host, planner)
        case = play(setting, planner, player, every=desk.lock.orders == "all")
    except (LoadFailure, SourceError) as error:
        return _result(one, other, [], [[f"{one.name}, {other.name}", str(error)]])
    unread = [[item.what, item.reason] for item in unread_of(setting, wheels, planner)]
    found = _result(one, other, [finding_document(finding) for finding in judge(case)], unread)
    return found | {"interferes": interferes(case)}


def _result(one: Root, other: Root, findings: Sequence[object], unread: Sequence[object]) -> dict[str, Any]:
    return {"pair": [one.name, other.name], "findings": findings, "not_analysed": unread, "interferes": False}


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

"""One package of a corpus by itself: its findings alone, and its signature."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.corpus import signature
from abiclash.corpus.bench import bench
from abiclash.corpus.keys import engine, key
from abiclash.errors import NotAnalysed, SourceError
from abiclash.imports.plan_document import KIND as PLANS
from abiclash.linker.link_map import LoadFailure
from abiclash.linker.lookup import NOT_FOUND
from abiclash.rules.case import Stage
from abiclash.rules.judging import judge
from abiclash.scanning import play, unread_of
from abiclash.simulate import Player

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.corpus.bench import Bench, Place
    from abiclash.corpus.lock import Root
    from abiclash.corpus.manifest import Variant
    from abiclash.facts.store import Store
    from abiclash.linker.process import Process
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding
    from abiclash.setting import Setting


@dataclass(frozen=True, slots=True)
class SurveyTask:
    """Survey one package."""

    place: Place
    root: Root


def survey_key(variant: Variant, root: Root, *, observed: bool) -> str:
    """Return the key of a package's survey: its files, the variant, the engine, and whether its loads were observed."""
    return key(engine(), signature.VERSION, asdict(variant), root.name, root.files, observed)


def paths(survey: str) -> tuple[str, str]:
    """Return where a survey's document and its rows lie among the results."""
    return f"surveys/{survey[:2]}/{survey}.json", f"surveys/{survey[:2]}/{survey}.parquet"


def survey(task: SurveyTask) -> str:
    """Make a package's survey unless it is there already; return its key. What goes wrong is in the document."""
    desk = bench(task.place)
    found = survey_key(desk.lock.variant, task.root, observed=task.place.observed)
    document, rows = paths(found)
    if desk.results.has(document) and desk.results.has(rows):
        return found
    try:
        content, table = _surveyed(desk, task.root)
    except (LoadFailure, SourceError) as error:
        content, table = _failed(task.root.name, str(error)), signature.Rows()
    desk.results.put(rows, signature.to_bytes(table))
    desk.results.put(document, json.dumps(content, separators=(",", ":")).encode())
    return found


def _surveyed(desk: Bench, root: Root) -> tuple[dict[str, Any], signature.Rows]:
    name = root.name
    setting, wheels, planner = desk.laid_out([root], documents=_Fresh(desk.store))
    player = Player(setting.world, setting.host, planner)
    case = play(setting, planner, player, every=True)
    start = player.imported(()).process
    rows = signature.signature(setting, wheels, player.used((name,)), start, planner.plan((name,)))
    run = case.alone[name, Stage.IMPORT]
    return {
        "package": name,
        "version": setting.packages[name].id.version,
        "native": any(wheel.objects for wheel in wheels.wheels),
        "findings": [finding_document(one) for one in judge(case)],
        "not_analysed": [[item.what, item.reason] for item in unread_of(setting, wheels, planner)],
        "counts": _counts(setting, run.process),
        "tls": {"free": start.tls.free},
        "loads": _loads(case, name),
    }, rows


def _failed(what: str, reason: str) -> dict[str, Any]:
    return {
        "package": what,
        "version": "",
        "native": False,
        "findings": [],
        "not_analysed": [[what, reason]],
        "counts": {},
        "tls": {"free": 0},
        "loads": {},
    }


def _counts(setting: Setting, process: Process) -> dict[str, int]:
    own = [wheel for package in setting.packages.values() for wheel in package.wheel.objects]
    bound = [link.targets for link in process.maps.values() if link.targets is not None]
    return {
        "objects": len(own),
        "symbols": sum(len(facts.symbols.key) for facts in own),
        "references": sum(len(facts.references.symbol) for facts in own),
        "loaded": len(process.maps),
        "bound": sum(len(targets) for targets in bound),
        "unresolved": sum(int(np.count_nonzero(targets == NOT_FOUND)) for targets in bound),
    }


def _loads(case: Case, name: str) -> dict[str, int]:
    known: dict[str, int] = {}
    for played in case.alone[name, Stage.IMPORT].played:
        known[played.load.cause.kind] = known.get(played.load.cause.kind, 0) + 1
    return dict(sorted(known.items()))


class _Fresh:
    """The store, but for plans: following the import anew shows what it looked for in vain."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_document(self, kind: str, name: str) -> bytes | None:
        return None if kind == PLANS else self._store.get_document(kind, name)

    def put_document(self, kind: str, name: str, data: bytes) -> None:
        self._store.put_document(kind, name, data)


def finding_document(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    return {
        **asdict(finding),
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "audience": finding.audience.value,
    }


def problems(document: Mapping[str, Any]) -> list[NotAnalysed]:
    """Return what a survey's or a pair's document could not say."""
    return [NotAnalysed(what, reason) for what, reason in document["not_analysed"]]

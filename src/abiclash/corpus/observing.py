"""Observed load plans for a corpus: the one stage that runs the packages' own code, and only when it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.corpus.bench import bench
from abiclash.corpus.survey import survey_key
from abiclash.errors import AbiclashError
from abiclash.lab.observe_set import interpreter_with, observe_orders
from abiclash.lab.run import Limits

if TYPE_CHECKING:
    from abiclash.corpus.survey import SurveyTask

SECONDS = 300.0


def observe(task: SurveyTask) -> list[list[str]]:
    """Import a package for real in a throw-away environment and keep what it loads; return what could not be seen.

    Only on a machine with the host's interpreter. Done once for the same files.
    """
    desk = bench(task.place)
    where = path(task)
    known = desk.results.get(where)
    if known is not None:
        return [list(item) for item in json.loads(known)]
    setting, wheels, planner = desk.laid_out([task.root])
    modules = planner.modules((task.root.name,))
    try:
        with interpreter_with(wheels, setting.host, desk.store.root, offline=task.place.offline) as python:
            failed = observe_orders(python, [modules], planner.records, limits=Limits(SECONDS))
        unseen = [[item.what, item.reason] for item in failed]
    except AbiclashError as error:
        unseen = [[task.root.requirement, f"not observed: {error}"]]
    desk.results.put(where, json.dumps(unseen).encode())
    return unseen


def path(task: SurveyTask) -> str:
    """Return where it is noted that a package was observed."""
    variant = bench(task.place).lock.variant
    return f"observed/{survey_key(variant, task.root, observed=True)}.json"

"""Who loads what: each dlopen of an import with its cause, and the libraries that came with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.reports.flags import unusual
from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.linker.process import Process
    from abiclash.reports.html.tables import Tables
    from abiclash.rules.case import Played, Run

_TEXT = 160


def loads(runs: Sequence[Run], tables: Tables) -> dict[str, object]:
    """Return {"opens": dlopens, "runs": for each run the numbers of its dlopens, in order}.

    A dlopen that goes alike in many runs is shipped once. It is {"p": package, "f": object or -1, "name": what was
    asked for, where that is no object, "m": module, "why": [kind, place, text], "sure": certainty, "flags": unless
    they are the usual ones, "fails": what dlerror() says, "new": [[object, object that needs it], ...]}.
    """
    numbers: dict[tuple[object, ...], int] = {}
    opens: list[dict[str, object]] = []
    played: list[list[int]] = []
    for run in runs:
        mine = []
        for each in run.played:
            brought = _brought(each, run.process)
            key = (each.load, each.event.file, brought, each.event.failure and each.event.failure.message)
            if key not in numbers:
                numbers[key] = len(opens)
                opens.append(_open(each, brought, tables))
            mine.append(numbers[key])
        played.append(mine)
    return {"opens": opens, "runs": played}


def _brought(played: Played, process: Process) -> tuple[tuple[int, int | None], ...]:
    """Return the new files of a dlopen with the file that needs each; not itself."""
    maps = process.maps
    return tuple((file, maps[file].loader) for file in played.event.new if file != played.event.file and file in maps)


def _open(played: Played, brought: Sequence[tuple[int, int | None]], tables: Tables) -> dict[str, object]:
    load, event = played.load, played.event
    place = f"{load.cause.file.removeprefix(tables.case.site_packages + '/')}"
    place = f"{place}:{load.cause.line}" if load.cause.line else place
    text = " ".join(load.cause.text.split())
    entry: dict[str, object] = {
        "p": tables.package(load.package),
        "f": -1 if event.file is None else tables.object(event.file),
        "why": [load.cause.kind, name(place), name(text, _TEXT)],
        "sure": load.certainty,
    }
    if event.file is None:
        entry["name"] = name(load.path.removeprefix(tables.case.site_packages + "/"))
    if load.module:
        entry["m"] = name(load.module)
    if event.file is not None and event.file not in event.new:
        entry["again"] = 1
    if flags := unusual(load.flags):
        entry["flags"] = flags
    if event.failure is not None:
        entry["fails"] = name(event.failure.message, 1000)
    if brought:
        entry["new"] = [
            [tables.object(file), -1 if loader is None else tables.object(loader)] for file, loader in brought
        ]
    return entry

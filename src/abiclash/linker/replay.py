"""Playing a recorded sequence of loads, so that the linker is judged apart from the load plan.

The events are JSON lines: {"load": path}, {"global": path}; anything else in the recording is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from abiclash.linker import start
from abiclash.linker.link_map import Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.linker.process import HostSettings, Process
    from abiclash.linker.world import World


def replay(
    world: World,
    host: HostSettings,
    executable: str,
    events: Iterable[Mapping[str, Any]],
    preload: Sequence[str] = (),
) -> Process:
    """Start `executable` and play the loads; each object is bound at once (LD_BIND_NOW).

    A load that is reported although an object already answers to that name says that the object had been closed
    in between; under a new name it is the same object. A load may name its `caller` (path) and its `mode` (dlopen
    flags); a `global` event adds exactly that object to the global scope.
    """
    process = start(world, host, executable, preload, bind_now=True)
    for event in events:
        if "load" in event:
            _load(process, event)
        elif "global" in event:
            file = world.find(event["global"])
            if file is not None and file in process.maps:
                process.promote([file])
        elif "unload" in event:
            file = world.find(event["unload"])
            if file is not None:
                process.unload(file)
    return process


def _load(process: Process, event: Mapping[str, Any]) -> None:
    path = event["load"]
    file = process.world.find(path) if "/" in path else None
    loaded = process.maps.get(file) if file is not None else None
    if loaded is not None and (path == loaded.name or path in loaded.names):
        process.unload(loaded.file)
    caller = process.world.find(event["caller"]) if event.get("caller") else None
    process.dlopen(path, Mode(event.get("mode", Mode.NOW)), caller)

"""The load plan of `import X`: which libraries are opened, in which order, with which flags, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from abiclash.errors import NotAnalysed
from abiclash.imports.deep import with_deep_stack
from abiclash.imports.effects import Ending, Executed, ending, executed
from abiclash.imports.machine import Machine
from abiclash.imports.values import Raised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from abiclash.imports.loads import Entry
    from abiclash.imports.world import ImportWorld

Certainty = Literal["certain", "likely", "possible"]
CauseKind = Literal["observed", "source", "string", "assumed", "runtime"]
CERTAINTIES: tuple[Certainty, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True, slots=True)
class Cause:
    """Where the knowledge of a load comes from: the file, the line (0: none) and what stands there."""

    kind: CauseKind
    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Load:
    """One dlopen. path: absolute, or a bare name as dlopen gets it. flags: RTLD bits. module: extension module's
    dotted name, None for a library that is opened otherwise. package: owning distribution.
    """

    path: str
    flags: int
    cause: Cause
    certainty: Certainty
    module: str | None
    package: str | None


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """The loads of an import in order.

    modules: how many modules were followed. observed: it is a recorded one. executed: the source modules that ran.
    endings: requested modules whose import raises.
    """

    loads: tuple[Load, ...]
    not_analysed: tuple[NotAnalysed, ...]
    modules: int = 0
    observed: bool = False
    executed: tuple[Executed, ...] = ()
    endings: tuple[Ending, ...] = ()


def plan(modules: Sequence[str], world: ImportWorld) -> LoadPlan:
    """Return what importing `modules` one after the other in a fresh interpreter loads.

    Modules of extension kind come with the path that CPython opens. A module that cannot be found or read is in
    `not_analysed`, and the plan goes on with the rest.
    """
    return plans([modules], world)[-1]


def plans(groups: Sequence[Sequence[str]], world: ImportWorld) -> list[LoadPlan]:
    """Return the plans of importing the first group of modules, the first two, and so on, in one interpreter."""
    machine = Machine(world)
    ends: list[Ending] = []
    result: list[LoadPlan] = []

    def work() -> None:
        for modules in groups:
            _import_all(machine, modules, ends)
            result.append(_so_far(machine, ends, world))

    with_deep_stack(work)
    world.flush()
    return result


def _so_far(machine: Machine, ends: Sequence[Ending], world: ImportWorld) -> LoadPlan:
    entries = sorted(machine.entries, key=lambda entry: entry.sequence)
    loads = tuple(_load(entry, world) for entry in entries)
    unread = [machine.not_analysed[path] for path in sorted(machine.not_analysed)]
    early = [NotAnalysed(f"import {end.module}", f"ends early: {end.reason}") for end in ends]
    done = tuple(executed(machine, CERTAINTIES))
    return LoadPlan(loads, (*early, *unread), len(machine.modules), executed=done, endings=tuple(ends))


def _import_all(machine: Machine, modules: Sequence[str], ends: list[Ending]) -> None:
    for name in modules:
        try:
            machine.load_module(name, None)
        except Raised as error:
            ends.append(ending(name, error))


def _load(entry: Entry, world: ImportWorld) -> Load:
    kind: CauseKind = "string" if entry.kind == "string" else "source"
    cause = Cause(kind, entry.file, entry.line, entry.text)
    return Load(entry.path, entry.flags, cause, CERTAINTIES[entry.doubt], entry.module, world.owner(entry.path))


def everything(package: str, world: ImportWorld, files: Iterable[str], known: LoadPlan) -> tuple[Load, ...]:
    """Return the cautious fallback: extension modules of `package` that are not in a plan, sorted by path.

    files: installed paths of the package below the world's site-packages, absolute.
    """
    planned = {load.path for load in known.loads}
    suffixes = world.python.suffixes
    cause = Cause("assumed", "", 0, f"every extension module of {package}")
    return tuple(
        Load(path, 2, cause, "possible", _dotted(path, world), package)
        for path in sorted(files)
        if path not in planned and path.endswith(suffixes)
    )


def _dotted(path: str, world: ImportWorld) -> str | None:
    """Return the module name that a file has on the search path."""
    places = [place for place in world.path if path.startswith(place + "/")]
    if not places:
        return None
    relative = path.removeprefix(max(places, key=len) + "/")
    suffix = next(suffix for suffix in world.python.suffixes if relative.endswith(suffix))
    return relative.removesuffix(suffix).replace("/", ".")

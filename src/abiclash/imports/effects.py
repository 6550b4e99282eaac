"""What an import does besides loading libraries: which source modules run, and where an import ends early."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.imports.machine import Machine
    from abiclash.imports.plan import Certainty
    from abiclash.imports.source import ModuleSource
    from abiclash.imports.values import Raised

_PLACE = re.compile(r"(?P<file>/.*):(?P<line>\d+) raises \w+")


@dataclass(frozen=True, slots=True)
class Executed:
    """A source module that an import executes. path: absolute. package: the distribution that installs it."""

    name: str
    path: str
    package: str | None
    certainty: Certainty
    source: ModuleSource


@dataclass(frozen=True, slots=True)
class Ending:
    """A requested module whose import raises. file, line: the `raise` statement, '' and 0 where it is none."""

    module: str
    kind: str
    reason: str
    file: str = ""
    line: int = 0


def executed(machine: Machine, certainties: tuple[Certainty, ...]) -> Iterator[Executed]:
    """Yield the source modules in the order in which they begin to run, those of the standard library left out.

    certainties: by the machine's number for doubt.
    """
    for module, path in machine.executed:
        if not machine.in_library(path):
            source = machine.world.source(path)
            yield Executed(module.name, path, machine.world.owner(path), certainties[module.doubt], source)


def ending(module: str, error: Raised) -> Ending:
    """Return the record of an exception that reaches the importing program."""
    place = _PLACE.fullmatch(error.reason)
    if place is None:
        return Ending(module, error.kind, error.reason)
    return Ending(module, error.kind, error.reason, place["file"], int(place["line"]))

"""What differs between a run that fails and one that works: bindings, loads, and who owns the objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from abiclash.lab.investigate.result import Change, Load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from abiclash.lab.records import Observation

_MINOR = re.compile(r"(\.so\.\d+)[.\d]*$")


def owners(site_packages: Path) -> dict[str, str]:
    """Path relative to site-packages -> `name-version` of the package, from RECORD files."""
    found = {}
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        owner = record.parent.name.removesuffix(".dist-info")
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            found[line.split(",", 1)[0].strip('"')] = owner
    return found


def changes(failing: Observation, passing: Observation, shown: Callable[[str], str]) -> list[Change]:
    """Return the references that both runs bind, and bind differently, sorted.

    A binding whose object shows under one path in both runs is compared by that path; an object that is bound again
    after it was closed counts with its last binding.
    """
    before = {(row.source, row.symbol, row.version): row.target for row in passing.bindings}
    found = set()
    for row in failing.bindings:
        other = before.get((row.source, row.symbol, row.version))
        if other is not None and other != row.target:
            version = row.version or ""
            found.add(Change(shown(row.source), row.symbol, version, shown(row.target), shown(other)))
    return sorted(found)


def loads(observation: Observation, shown: Callable[[str], str], owned: Mapping[str, str]) -> list[Load]:
    """Return the objects of a run in the order in which they were first relocated after the start."""
    seen: dict[str, None] = {}
    for event in observation.events:
        if event.kind == "relocate":
            seen.setdefault(shown(event.path))
    return [Load(path, owned.get(path, "")) for path in seen]


def in_global_scope(observation: Observation, shown: Callable[[str], str]) -> set[str]:
    """Return the objects that dlopen added to the global scope."""
    return {shown(event.path) for event in observation.events if event.kind == "global"}


def displaced(failing: Iterable[Load], passing: Iterable[Load]) -> list[tuple[str, str]]:
    """Return pairs (library of the failing run, library of equal name that the working run has in its place).

    At least one of them is a package's. Extension modules of one name are told apart by their packages' names.
    """
    here = {load.path: load for load in failing}
    result = []
    for load in passing:
        name = _library_name(load.path)
        if load.path not in here and name.startswith("lib"):
            result += [
                (other.path, load.path)
                for other in here.values()
                if (other.package or load.package) and _library_name(other.path) == name
            ]
    return result


def _library_name(path: str) -> str:
    """The file name without minor numbers: what real paths of one soname have in common."""
    return _MINOR.sub(r"\1", path.rpartition("/")[2])

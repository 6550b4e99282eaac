"""Packages that a set of wheels requires and does not hold: an import of them succeeds, as far as anybody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from abiclash.imports.files import normalised
from abiclash.sources.platform import environment_markers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.imports.world import Python


TAKEN_TO_SUCCEED = "of a package that is required and not among what was read; it is taken to succeed"


def absent(requirements: Iterable[str], present: Iterable[str], python: Python) -> frozenset[str]:
    """Return the normalised names of distributions that are required on `python` but not present.

    requirements: Requires-Dist lines; those of extras do not count. present: normalised names.
    """
    markers = {**environment_markers(".".join(map(str, python.version)), python.machine), "extra": ""}
    missing: set[str] = set()
    for line in requirements:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.marker is None or wanted.marker.evaluate(markers):
            missing.add(normalised(wanted.name))
    return frozenset(missing.difference(present))

"""C APIs that moved to another module with an incompatible release, and what a module tells of its headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from abiclash.rules.carried import has_module, strings

if TYPE_CHECKING:
    from abiclash.facts.model import ObjectFacts


@dataclass(frozen=True, slots=True)
class Move:
    """A C API that moved to another module with an incompatible release.

    before, after: module that holds the API; headers from before ask for the first only, later ones for both.
    minimum: kind of string by which a module tells the oldest release it was compiled for.
    types: kind of string by which a module that checks the sizes of types, and need not ask for the API, tells who
    declared them; declared: what that is before the move.
    """

    api: str
    before: str
    after: str
    minimum: str
    types: str
    declared: str


# numpy/core/include/numpy/__multiarray_api.h of numpy 1.26, numpy/_core/include/numpy/__multiarray_api.h of 2.0;
# numpy/__init__.pxd of both
MOVES = (
    Move(
        "numpy",
        "numpy.core._multiarray_umath",
        "numpy._core._multiarray_umath",
        "numpy-abi",
        "numpy-types",
        "numpy.core.multiarray",
    ),
)


def asks_before(facts: ObjectFacts, move: Move) -> bool:
    """Tell whether a module was compiled with headers that know the old place only."""
    new = has_module(facts, move.after) or strings(facts, move.minimum)
    old = has_module(facts, move.before) or strings(facts, move.types) == [move.declared]
    return old and not new


def minima(facts: ObjectFacts, move: Move) -> list[Version]:
    """Return the releases that a module says it needs at least; one, as a rule."""
    return [least for text in strings(facts, move.minimum) if (least := version(text)) is not None]


def version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None

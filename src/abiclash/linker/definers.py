"""Which objects of a scope define anything that an object asks for: most do not, and need not be searched.

One join of sorted columns answers it for many objects at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from abiclash.linker.world import World

BATCH = 128
"""As many objects are joined at once; until then they count as if they might define anything."""


class Definers:
    """Grows with the objects that come up in scopes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting: list[int] = []
        self._seen: set[int] = set()
        self._batches: list[tuple[NDArray[np.uint64], NDArray[np.int32]]] = []
        self._known: dict[int, tuple[int, set[int]]] = {}

    def among(self, file: int, scope: Sequence[int]) -> tuple[int, ...]:
        """Return the objects of a scope, in order and each once, that can matter for the references of `file`."""
        self._enter(scope)
        wanted = self._wanted(file).union(self._waiting)
        return tuple(dict.fromkeys(each for each in scope if each in wanted))

    def _enter(self, scope: Sequence[int]) -> None:
        self._waiting += [file for file in dict.fromkeys(scope) if file not in self._seen]
        self._seen.update(self._waiting)
        if len(self._waiting) >= BATCH:
            keys = [self._world.table(file).definitions.key for file in self._waiting]
            key = np.concatenate(keys)
            files = np.repeat(np.array(self._waiting, dtype=np.int32), [len(each) for each in keys])
            order = np.argsort(key, kind="stable")
            self._batches.append((key[order], files[order]))
            self._waiting = []

    def _wanted(self, file: int) -> set[int]:
        """Return all objects of the batches that define what `file` asks for."""
        joined, found = self._known.get(file, (0, set()))
        if joined < len(self._batches):
            asked = np.unique(self._world.table(file).queries.key)
            for key, files in self._batches[joined:]:
                found |= _definers(asked, key, files)
            self._known[file] = len(self._batches), found
        return found


def _definers(asked: NDArray[np.uint64], key: NDArray[np.uint64], files: NDArray[np.int32]) -> set[int]:
    """Return the files with any of some keys. key: sorted, one for each row of `files`."""
    if not len(key):
        return set()
    left = np.searchsorted(key, asked, side="left")
    hit = key[np.minimum(left, len(key) - 1)] == asked
    left = left[hit]
    if not len(left):
        return set()
    length = np.searchsorted(key, asked[hit], side="right") - left
    ends = np.cumsum(length)
    rows = np.arange(int(ends[-1])) + np.repeat(left - (ends - length), length)
    mask = np.zeros(int(files.max()) + 1, dtype=np.bool_)
    mask[files[rows]] = True
    return set(np.flatnonzero(mask).tolist())

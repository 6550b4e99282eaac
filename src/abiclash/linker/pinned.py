"""What dlclose leaves alone: unique symbols and what is marked NODELETE (glibc 2.36 elf/dl-lookup.c, elf/dl-open.c)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class UniqueTable:
    """STB_GNU_UNIQUE: the one definition that serves each name, in the whole process. Sorted by key."""

    key: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    file: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def enter(self, key: NDArray[np.uint64], file: NDArray[np.int32], row: NDArray[np.int32]) -> UniqueTable:
        """Return the table with the definitions of names that it does not have yet, first come, first served."""
        new, first = np.unique(key, return_index=True)
        if len(self.key):
            at = np.minimum(np.searchsorted(self.key, new), len(self.key) - 1)
            fresh = self.key[at] != new
            new, first = new[fresh], first[fresh]
        if not len(new):
            return self
        keys = np.concatenate([self.key, new])
        order = np.argsort(keys, kind="stable")
        files, rows = np.concatenate([self.file, file[first]]), np.concatenate([self.row, row[first]])
        return UniqueTable(keys[order], files[order], rows[order])

    def of(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return what look-ups of names in the table get: file ids and rows in their `Symbols`."""
        at = np.searchsorted(self.key, key)
        return self.file[at], self.row[at]

    def without(self, files: Iterable[int]) -> UniqueTable:
        """Return the table after objects are gone (_dl_close_worker)."""
        keep = ~np.isin(self.file, list(files))
        return UniqueTable(self.key[keep], self.file[keep], self.row[keep])


@dataclass(frozen=True, slots=True)
class Pinned:
    """Which objects, by file id, are not to be unloaded; never changed in place.

    delayed: whether a mark waits until the load that made it has succeeded (NODELETE_AFTER_SUCCESS). active:
    l_nodelete_active. pending: l_nodelete_pending. stale: keys of unique symbols that ld.so's table still has though
    their object was closed, marked by a failed load only: ld.so reads the unmapped name when it meets the same name
    again, and what comes of it depends on addresses (as of glibc 2.43). The model takes it to find nothing there.
    """

    delayed: bool
    unique: UniqueTable = field(default_factory=UniqueTable)
    active: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()

    def __contains__(self, file: int) -> bool:
        """Tell whether relocations take an object for one that stays (is_nodelete)."""
        return file in self.active or file in self.pending

    def mark(self, files: Iterable[int], *, at_once: bool = False) -> Pinned:
        """Return it with some objects marked (mark_nodelete). at_once: whatever becomes of the load."""
        if self.delayed and not at_once:
            return replace(self, pending=self.pending.union(files))
        return replace(self, active=self.active.union(files))

    def bind(self, key: NDArray[np.uint64], file: NDArray[np.int32], row: NDArray[np.int32]) -> Pinned:
        """Return it after look-ups that found unique definitions, in their order (do_lookup_unique)."""
        table = self.unique.enter(key, file, row)
        if table is self.unique:
            return self
        return replace(self, unique=table).mark(table.file.tolist())

    def activated(self) -> Pinned:
        """Return it after a load that succeeded (activate_nodelete)."""
        return replace(self, active=self.active | self.pending, pending=frozenset()) if self.pending else self

    def without(self, files: Collection[int], *, forced: bool) -> Pinned:
        """Return it after objects are gone. forced: for a load that failed, so that the table is cleared of them."""
        if not any(file in self for file in files):
            return self
        left = () if forced else self.unique.key[np.isin(self.unique.file, list(files))].tolist()
        return replace(
            self,
            unique=self.unique.without(files),
            active=self.active.difference(files),
            pending=self.pending.difference(files),
            stale=self.stale.union(left),
        )

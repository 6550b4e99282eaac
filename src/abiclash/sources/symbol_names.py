"""Names behind keys, over many objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.names_table import NameTable


def find_names(keys: Iterable[int], tables: Iterable[NameTable]) -> dict[int, bytes]:
    """Return the name behind each key that one of the tables knows."""
    wanted = np.unique(np.fromiter(keys, dtype=np.uint64))
    found: dict[int, bytes] = {}
    for table in tables:
        if not len(wanted):
            break
        if not len(table):
            continue
        row = np.minimum(np.searchsorted(table.key, wanted), len(table) - 1)
        hit = table.key[row] == wanted
        found.update((int(wanted[at]), table.name(int(row[at]))) for at in np.flatnonzero(hit))
        wanted = wanted[~hit]
    return found

"""Bindings of one process as an Arrow table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from arro3.core import Table

from abiclash.facts.arrow import pick
from abiclash.linker.bindings import collect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.linker.process import Process
    from abiclash.reports.bindings import Names


def bindings_table(process: Process, names: Names, owners: Mapping[int, str]) -> Table:
    """Return the distinct bindings of a process, a row for each: all columns are strings.

    from, symbol, version (null: none), to: paths and raw names. from_package, to_package: null for the host's files.
    """
    bindings = collect(process)
    paths = process.world.paths
    packages = [owners.get(file) for file in range(len(paths))]
    keys, which = np.unique(bindings.key, return_inverse=True)
    known = names(keys.tolist())
    versions = [name or None for name in process.world.versions.names]
    return Table.from_pydict(
        {
            "from": pick(paths, bindings.source),
            "symbol": pick([known.get(key, f"key {key:016x}") for key in keys.tolist()], which),
            "version": pick(versions, bindings.version),
            "to": pick(paths, bindings.target),
            "from_package": pick(packages, bindings.source),
            "to_package": pick(packages, bindings.target),
        }
    )

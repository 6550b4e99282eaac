"""Bindings as columns, and as the JSON lines that ld.so's own log is turned into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.linker.lookup import NOT_FOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process


@dataclass(frozen=True, slots=True)
class Bindings:
    """Distinct bindings of one process. All arrays have one length; files are ids of the world.

    source, target: int32 file ids. key: uint64 symbol name. version: int32 of the world's version ids, 0 for none.
    source_row, target_row: int32 rows in the two objects' `Symbols`.
    """

    source: NDArray[np.int32]
    target: NDArray[np.int32]
    key: NDArray[np.uint64]
    version: NDArray[np.int32]
    source_row: NDArray[np.int32]
    target_row: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.source)


def collect(process: Process) -> Bindings:
    """Gather what every object was bound to: those that are loaded, in load order, then those that were closed,
    then those of failed loads, as far as ld.so came with them.

    Weak references without a definition are left out.
    """
    refused = (link for event in process.events for link in event.discarded)
    links = [*process.maps.values(), *process.closed, *refused]
    parts = [_of_object(process, link) for link in links]
    return _distinct(Bindings(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _of_object(process: Process, link: LinkMap) -> tuple[NDArray[Any], ...]:
    targets = link.targets if link.targets is not None else np.zeros(0, dtype=np.int32)
    rows = link.target_rows if link.target_rows is not None else targets
    found = np.flatnonzero(targets != NOT_FOUND)
    queries = process.world.table(link.file).queries
    return (
        np.full(len(found), link.file, dtype=np.int32),
        targets[found],
        queries.key[found],
        queries.version[found],
        link.facts.references.symbol[found].astype(np.int32),
        rows[found],
    )


def _distinct(bindings: Bindings) -> Bindings:
    """Drop repeats of (source, symbol, version, target): one symbol used by several kinds of relocation."""
    order = np.lexsort((bindings.target, bindings.version, bindings.key, bindings.source))
    keep = np.ones(len(order), dtype=np.bool_)
    columns = (bindings.source, bindings.key, bindings.version, bindings.target)
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    keep[1:] = ~same
    rows = np.sort(order[keep])
    return Bindings(
        bindings.source[rows],
        bindings.target[rows],
        bindings.key[rows],
        bindings.version[rows],
        bindings.source_row[rows],
        bindings.target_row[rows],
    )


def events(process: Process, name: Callable[[NDArray[np.uint64]], list[str]]) -> Iterator[dict[str, Any]]:
    """Yield the process as JSON-able lines: loads, failures, additions to the global scope, then bindings.

    name: turns symbol keys into names.
    """
    paths = process.world.paths
    for event in process.events[1:]:
        yield {"load": paths[event.file] if event.file is not None else event.name}
        if event.failure is not None:
            failure = event.failure
            key = failure.key
            symbol = None if key is None else name(np.array([key], dtype=np.uint64))[0]
            yield {"error": failure.kind, "object": failure.object, "message": failure.said(symbol)}
    started = len(process.maps[process.executable].search_list or ()) if process.executable is not None else 0
    for file in process.global_scope[started:]:
        yield {"global": paths[file]}
    bindings = collect(process)
    for source, target, symbol, version in zip(
        bindings.source.tolist(),
        bindings.target.tolist(),
        name(bindings.key),
        bindings.version.tolist(),
        strict=True,
    ):
        yield {
            "from": paths[source],
            "symbol": symbol,
            "version": process.world.versions.names[version] or None,
            "to": paths[target],
        }

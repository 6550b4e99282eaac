"""The join of a run: rows of all surveys, candidate pairs, and the check of pairs that only share a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.corpus import signature
from abiclash.corpus.join import ROWS_PER_PARTITION, Joined, candidates, connect
from abiclash.corpus.signature import Kind
from abiclash.corpus.survey import paths
from abiclash.errors import StoreError
from abiclash.facts.parquet import to_parquet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.corpus.bench import Bench
    from abiclash.corpus.lock import Root
    from abiclash.corpus.results import Results

_MEMORY = "1GB"
_AT_ONCE = 64


def join_surveys(
    results: Results, keys: Sequence[str], documents: Sequence[Mapping[str, Any]], desk: Bench, roots: Sequence[Root]
) -> Joined:
    """Return the candidate pairs among surveys; packages are numbered in the order of `keys`."""
    if not keys:
        return Joined((), 0, 0)
    surplus = min(document["tls"]["free"] for document in documents)
    with tempfile.TemporaryDirectory(prefix="abiclash-join-") as folder:
        rows = _gather(results, keys, Path(folder))
        connection = connect(_MEMORY, spill=Path(folder, "spill"))
        source = f"SELECT * FROM read_parquet('{folder}/rows-*.parquet')"
        found = candidates(connection, source, surplus, 1 + rows // ROWS_PER_PARTITION)
        connection.close()
    return _with_files(found, desk, roots)


def _gather(results: Results, keys: Sequence[str], folder: Path) -> int:
    """Write the rows of all surveys, numbered, into a few files; return how many rows there are."""
    total = 0
    for start in range(0, len(keys), _AT_ONCE):
        parts = []
        for package, key in enumerate(keys[start : start + _AT_ONCE], start=start):
            content = results.get(paths(key)[1])
            if content is None:
                raise StoreError("a signature is gone from the results; run it again, and it is made anew")
            columns = signature.from_bytes(content)
            parts.append({"package": np.full(len(columns["about"]), package, dtype=np.int32), **columns})
        table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        total += len(table["about"])
        (folder / f"rows-{start:08}.parquet").write_bytes(to_parquet(table))
    return total


def _with_files(found: Joined, desk: Bench, roots: Sequence[Root]) -> Joined:
    """Return the pairs without those that touch only by a folder in site-packages and no file in it."""
    kept = []
    known: dict[str, dict[str, str]] = {}
    for one, other, mask in found.pairs:
        if mask != 1 << Kind.TOP or _files_differ(desk, roots[one], roots[other], known):
            kept.append((one, other, mask))
    return Joined(tuple(kept), found.rows, found.crowded)


def _files_differ(desk: Bench, one: Root, other: Root, known: dict[str, dict[str, str]]) -> bool:
    """Tell whether wheels of two packages install one path with different content."""

    def files(sha256: str) -> dict[str, str]:
        if sha256 not in known:
            installed = desk.facts(sha256).files
            known[sha256] = {f.path: f"{f.size} {f.hash}" for f in installed if ".dist-info/" not in f.path}
        return known[sha256]

    for mine in set(one.files) - set(other.files):
        for theirs in set(other.files) - set(one.files):
            first, second = files(mine), files(theirs)
            if any(first[path] != second[path] for path in first.keys() & second.keys()):
                return True
    return False

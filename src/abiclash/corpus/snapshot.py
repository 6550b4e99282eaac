"""A finished run as files that never change: the corpus's history is a list of them.

runs/<corpus>/<variant>/<date>-<hash>/   the date is the lock's, the hash that of all contents
  run.json          what was run, and totals; written last: without it a snapshot is not there
  lock.json         the files
  packages.json     each package: version, files, findings alone, what could not be analysed
  findings.json     each finding once, with the pairs in which it shows
  pairs.parquet     candidate pairs: kinds of contact, whether they interfere, number of findings
  findings.parquet, packages.parquet   the same as tables
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import nanoarrow
import numpy as np

from abiclash.errors import StoreError
from abiclash.facts.parquet import to_parquet
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.corpus.results import Results

FORMAT = 1
_RUN = "run.json"


@dataclass(frozen=True)
class Snapshot:
    """One run, read on demand."""

    results: Results
    folder: str

    @property
    def id(self) -> str:
        return self.folder.rpartition("/")[2]

    @cached_property
    def run(self) -> dict[str, Any]:
        return dict(self._json(_RUN))

    @cached_property
    def packages(self) -> list[dict[str, Any]]:
        return list(self._json("packages.json"))

    @cached_property
    def lock(self) -> dict[str, Any]:
        return dict(self._json("lock.json"))

    @cached_property
    def findings(self) -> list[dict[str, Any]]:
        return list(self._json("findings.json"))

    @cached_property
    def unknown(self) -> set[frozenset[str]]:
        """Packages and pairs that the run says nothing about: unread, or the time was over."""
        if self.results.get(f"{self.folder}/unknown.json") is None:
            return set()
        found = dict(self._json("unknown.json"))
        return {frozenset([package]) for package in found["packages"]} | set(map(frozenset, found["pairs"]))

    def tells(self, finding: Mapping[str, Any]) -> bool:
        """Tell whether the run looked wherever a finding of another run showed, so that its absence means something."""
        places = [frozenset([name]) for name in finding["alone"]] + [frozenset(pair) for pair in finding["pairs"]]
        unread = frozenset[str]().union(*(place for place in self.unknown if len(place) == 1))
        return any(place not in self.unknown and place.isdisjoint(unread) for place in places) or not places

    def file(self, name: str) -> bytes:
        """Return the content of one of its files. Raises StoreError."""
        content = self.results.get(f"{self.folder}/{name}")
        if content is None:
            raise StoreError(f"{self.folder}/{name}: is missing; the snapshot is damaged, run 'corpus scan' again")
        return content

    def _json(self, name: str) -> Any:
        try:
            return read_json(self.file(name))
        except ValueError as error:
            raise StoreError(f"{self.folder}/{name}: is damaged ({error}); run 'corpus scan' again") from error


def place(corpus: str, slug: str) -> str:
    """Return the folder of a corpus's snapshots for one variant."""
    return f"runs/{corpus}/{slug}"


def snapshots(results: Results, corpus: str, slug: str | None = None) -> list[Snapshot]:
    """Return the finished runs of a corpus, oldest first."""
    folder = f"runs/{corpus}" if slug is None else place(corpus, slug)
    paths = [path for path in results.under(folder) if path.endswith(f"/{_RUN}")]
    found = [Snapshot(results, path.rpartition("/")[0]) for path in paths]
    return sorted(found, key=lambda one: (one.run["created"], one.run["sequence"], one.folder))


def write(results: Results, corpus: str, slug: str, run: Mapping[str, Any], files: Mapping[str, bytes]) -> Snapshot:
    """Keep a run and return it. The same contents are the same snapshot, however often they are written."""
    digest = hashlib.sha256(as_json(run))
    for name, content in sorted(files.items()):
        digest.update(name.encode() + b"\0" + content)
    folder = f"{place(corpus, slug)}/{run['created']}-{digest.hexdigest()[:12]}"
    for name, content in sorted(files.items()):
        if not results.has(f"{folder}/{name}"):
            results.put(f"{folder}/{name}", content)
    if not results.has(f"{folder}/{_RUN}"):
        sequence = 1 + max((one.run["sequence"] for one in snapshots(results, corpus, slug)), default=0)
        results.put(f"{folder}/{_RUN}", as_json({**run, "sequence": sequence}))
    return Snapshot(results, folder)


def as_json(content: object) -> bytes:
    """Return JSON that is equal for equal content."""
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def table(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a Parquet file of columns of texts, numbers or truth values."""
    return to_parquet({name: _column(values) for name, values in columns.items()})


def _column(values: Sequence[Any]) -> Any:
    if values and isinstance(values[0], str):
        shown = [value.encode("utf-8", "backslashreplace").decode() for value in values]
        return nanoarrow.Array(shown, nanoarrow.string())
    if values:
        return np.array(values)
    return np.zeros(0, dtype=np.int64)

"""One wheel of a corpus: fetched and read into the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.corpus.bench import bench
from abiclash.errors import NotAnalysed, SourceError
from abiclash.facts.index import index_wheels

if TYPE_CHECKING:
    from abiclash.corpus.bench import Place


@dataclass(frozen=True, slots=True)
class IndexTask:
    """Read one wheel of the lock."""

    place: Place
    sha256: str


@dataclass(frozen=True, slots=True)
class Indexed:
    """problem: why a wheel's facts cannot be had, '' where they are stored. fetched: bytes that were downloaded."""

    problem: str
    fetched: int = 0


def index_wheel(task: IndexTask) -> Indexed:
    """Store the facts of a wheel unless they are there. Raises StoreError where the store cannot be written."""
    desk = bench(task.place)
    if desk.store.get(task.sha256) is not None:
        return Indexed("")
    package = desk.lock.files[task.sha256]
    kept = desk.fetcher.kept(package)
    try:
        path = kept or desk.fetcher.fetch(package)
    except SourceError as error:
        return Indexed(str(error))
    facts = index_wheels([path], desk.store, workers=1, hashes={path: task.sha256})[0]
    fetched = 0 if kept else path.stat().st_size
    if isinstance(facts, NotAnalysed):
        return Indexed(facts.reason.replace(str(path), path.name), fetched)
    if desk.store.problem is not None:  # kept in this process only, and the next task may run in another
        raise desk.store.problem
    return Indexed("", fetched)

"""Wheel files -> stored facts, on all processors.

The work is split by ELF member, because one wheel may hold most of the bytes: the largest wheel first, of it the
largest member that fits into memory, and another wheel only while there is nothing left to begin in this one. So no
more facts are held than of the wheels that the threads are busy with. A wheel is stored as soon as its last member is
read. Threads suffice: inflating, checksums, numpy and Parquet release the interpreter's lock.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from threading import Condition
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from abiclash.errors import FactsError, NotAnalysed
from abiclash.facts.arena import Arena
from abiclash.facts.content_hash import content_hash
from abiclash.facts.wheel import Wheel
from abiclash.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from abiclash.facts.archive import Member
    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.facts.store import Store
    from abiclash.facts.stored_names import Names
    from abiclash.progress import Progress, Task

_AHEAD = 16
"""Wheels that are open at once: enough to know how large a buffer will be asked for."""


def index_wheels(
    paths: Sequence[Path],
    store: Store,
    workers: int | None = None,
    progress: Progress | None = None,
    hashes: Mapping[Path, str] | None = None,
) -> list[WheelFacts | NotAnalysed]:
    """Return the facts of wheel files in the order of `paths`, from the store or read and stored now.

    workers: threads, by default one for each processor that may be used. hashes: hex sha256 of files whose content was
    verified already (a download cache); those files are not even opened when the store knows them.
    A file that is no readable wheel becomes `NotAnalysed`; a broken member is told in the facts of its wheel.
    """
    work = _Work(store, hashes or {}, list(dict.fromkeys(paths)))
    with (progress or Silent()).task("indexing", work.total, "bytes") as task:
        work.run(workers or len(os.sched_getaffinity(0)), task)
    return [work.results[path] for path in paths]


@dataclass(slots=True)
class _Open:
    """A wheel that is being read."""

    wheel: Wheel
    sha256: str
    left: list[tuple[Member, int]]  # with the bytes that reading it keeps
    reading: int = 0
    objects: list[ObjectFacts] = field(default_factory=list)
    names: list[tuple[str, list[Names]]] = field(default_factory=list)
    failures: list[NotAnalysed] = field(default_factory=list)


class _Work:
    """What there is to do, handed out piece by piece to whichever thread is free."""

    def __init__(self, store: Store, hashes: Mapping[Path, str], paths: list[Path]) -> None:
        self.results: dict[Path, WheelFacts | NotAnalysed] = {}
        self._store = store
        self._hashes = hashes
        sizes = {path: _size(path) for path in paths}
        self.total = sum(sizes.values())
        self._unopened = sorted(paths, key=lambda path: (sizes[path], str(path)))
        self._opened: list[_Open] = []
        self._complete: list[_Open] = []
        self._running = 0
        self._stopped = False
        self._arena = Arena()
        self._changed = Condition()

    def run(self, workers: int, task: Task) -> None:
        with ThreadPoolExecutor(workers, thread_name_prefix="index") as pool:
            threads = [pool.submit(self._serve, task) for _ in range(workers)]
            try:
                for thread in threads:
                    thread.result()
            finally:
                self._stop()

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _serve(self, task: Task) -> None:
        """Take pieces of work until there are none; whatever goes wrong unexpectedly ends the other threads too."""
        try:
            while (piece := self._next()) is not None:
                piece(task)
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()
        except BaseException:
            self._stop()
            raise

    def _next(self) -> Callable[[Task], None] | None:
        with self._changed:
            while not self._stopped:
                piece = self._choose()
                if piece is not None:
                    self._running += 1
                    return piece
                if not self._running:
                    return None
                self._changed.wait()
            return None

    def _choose(self) -> Callable[[Task], None] | None:
        """Store what is complete, to be rid of it; else open another wheel; else read the next member that fits."""
        if self._complete:
            return partial(self._finish, self._complete.pop())
        if self._unopened and len(self._opened) < _AHEAD:
            return partial(self._begin, self._unopened.pop())
        waiting = [one for one in self._opened if one.left]
        if not waiting:
            return None
        self._arena.expect(max(kept for one in waiting for _, kept in one.left))
        fitting = next((one for one in waiting if self._arena.fits(one.left[0][1])), None)
        if fitting is None and self._running:
            return None  # until another thread gives its buffer back
        one = fitting or waiting[0]
        one.reading += 1
        return partial(self._read, one, one.left.pop(0)[0])

    def _begin(self, path: Path, task: Task) -> None:
        """Hash a wheel and look it up; open it when it is not known."""
        try:
            if path not in self._hashes and not is_zipfile(path):
                Wheel(path).close()  # raises: what is no archive may be large, and is not hashed first
            sha256 = self._hashes.get(path) or content_hash(path, self._store)
            known = self._store.get(sha256)
            if known is not None:
                self.results[path] = known
                task.advance(_size(path))
                return
            wheel = Wheel(path)
        except FactsError as error:
            self.results[path] = NotAnalysed(str(path), str(error))
            task.advance(_size(path))
            return
        one = _Open(wheel, sha256, [(member, wheel.kept(member)) for member in wheel.objects])
        task.advance(wheel.archive.size - sum(member.packed for member in wheel.objects))
        with self._changed:
            (self._opened if one.left else self._complete).append(one)

    def _read(self, one: _Open, member: Member, task: Task) -> None:
        result = one.wheel.read(member, self._arena)
        task.advance(member.packed)
        with self._changed:
            if isinstance(result, NotAnalysed):
                one.failures.append(result)
            else:
                facts, names = result
                one.objects.append(facts)
                one.names.append((facts.path, names))
            one.reading -= 1
            if not one.left and not one.reading:
                self._opened.remove(one)
                self._complete.append(one)

    def _finish(self, one: _Open, task: Task) -> None:  # noqa: ARG002 - a piece of work
        """Put the facts of a wheel together and store them."""
        facts = one.wheel.facts(one.sha256, one.objects, one.failures)
        one.wheel.close()
        names = [part for _, parts in sorted(one.names, key=itemgetter(0)) for part in parts]
        self._store.put(facts, names)
        self.results[one.wheel.path] = facts


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0

"""Where tasks run: worker processes here, or a Dask cluster. Tasks are idempotent, so a lost one is run again."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import secrets
import signal
import sys
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from abiclash.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")

_TRIES = 3
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Lost:
    """What there is instead of a result: every worker that tried the task died. reason: one sentence."""

    reason: str


class Executor(Protocol):
    """Runs one function for many tasks. Results come in any order; an exception of a task is raised here."""

    def run(
        self, function: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[Task, Result | Lost]]: ...

    def close(self) -> None: ...


class LocalExecutor:
    """Worker processes on this machine. workers: None for one per processor; 0 runs everything in this process."""

    def __init__(self, workers: int | None = None) -> None:
        self._workers = len(os.sched_getaffinity(0)) if workers is None else workers
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[Task, Result | Lost]]:
        if not self._workers:
            for task in tasks:
                yield task, function(task)
            return
        waiting = deque((task, 1) for task in tasks)
        while waiting:
            died: list[tuple[Task, int]] = []
            yield from self._until_broken(function, waiting, 2 * self._workers, died)
            for task, tries in died:
                # Which of them killed a worker is unknown: each runs alone, so that only the culprit is lost.
                again: list[tuple[Task, int]] = []
                yield from self._until_broken(function, deque([(task, tries + 1)]), 1, again)
                if again and again[0][1] >= _TRIES:
                    yield task, Lost(f"the worker died {_TRIES} times (out of memory?)")
                else:
                    waiting.extend(again)

    def _until_broken(
        self,
        function: Callable[[Task], Result],
        waiting: deque[tuple[Task, int]],
        at_once: int,
        died: list[tuple[Task, int]],
    ) -> Iterator[tuple[Task, Result | Lost]]:
        """Run tasks until there are none or a worker dies; then `died` has those that were under way."""
        running: dict[Future[Result], tuple[Task, int]] = {}
        try:
            while (waiting or running) and not died:
                while waiting and len(running) < at_once:
                    entry = waiting.popleft()
                    running[self._workshop().submit(function, entry[0])] = entry
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    entry = running.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        died.append(entry)
                    else:
                        yield entry[0], result
        finally:
            died.extend(running.values())
            if died:
                self.close()

    def _workshop(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Spawned, not forked: threads of this process (progress bars, DuckDB) would be copied in mid-air.
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, spawn, _die_with, (os.getpid(),))
        return self._pool

    def close(self) -> None:
        """End the workers; the next run starts new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _die_with(parent: int) -> None:
    """Have the kernel end this worker with its driver; a killed driver cannot do it, and no pipe tells (prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before
            os._exit(1)


class DaskExecutor:
    """A Dask cluster. address: of its scheduler; "local" or "local:N" starts N workers (2) on this machine."""

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError("a Dask cluster: needs dask.distributed; install abiclash[cluster]") from error
        self.cluster: Any = None
        if address == "local" or address.startswith("local:"):
            count = int(address.partition(":")[2] or 2)
            self.cluster = LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
            )
        try:
            self._client: Any = Client(self.cluster or address, timeout=30)  # type: ignore[no-untyped-call]
        except OSError as error:
            raise StoreError(f"{address}: no Dask scheduler answers there ({error}); check the address") from error

    def run(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[tuple[Task, Result | Lost]]:
        from distributed import KilledWorker, as_completed  # noqa: PLC0415 - as above

        futures = {
            self._client.submit(function, task, pure=False, retries=_TRIES, key=f"task-{at}-{secrets.token_hex(8)}"): at
            for at, task in enumerate(tasks)
        }
        for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
            task = tasks[futures[future]]
            try:
                yield task, future.result()
            except KilledWorker:
                yield task, Lost("the workers that ran it died (out of memory?)")
            future.release()

    def workers(self) -> list[int]:
        """Return the process ids of the workers, where they are."""
        return sorted(self._client.run(os.getpid).values())

    def close(self) -> None:
        """Leave the cluster; end it where it was started here."""
        self._client.close()
        if self.cluster is not None:
            self.cluster.close()


def make_executor(where: str, workers: int | None = None) -> Executor:
    """Return the executor that an option names: "local", or "dask:ADDRESS" ("dask:local:2" for a cluster here).

    Raises UsageError.
    """
    if where == "local":
        return LocalExecutor(workers)
    kind, _, address = where.partition(":")
    if kind == "dask" and address:
        return DaskExecutor(address)
    raise UsageError(
        f"executor {where!r}: it is local, or dask:ADDRESS such as dask:tcp://scheduler:8786 or dask:local:2"
    )

"""Scans and comparisons in a process of their own, within bounds of time and memory.

Wheels may be hostile, and an index must go on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Pipe
from typing import TYPE_CHECKING, Any, Self

from abiclash.gate.worker import OUT_OF_MEMORY, Comparison, Refused, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from types import TracebackType

    from abiclash.gate.difference import Difference
    from abiclash.rules.model import ScanResult
    from abiclash.scanning import ScanRequest

_MEGABYTE = 1 << 20
_WORK = "import sys; from abiclash.gate.worker import main; main(*map(int, sys.argv[1:]))"
OUT_OF_TIME = Refused("there was no time left for it within --time-limit; raise it")


class Scanner:
    """Does one task after the other in one worker, which is started anew after it had to be killed.

    seconds: for everything together. megabytes: of data that the worker may have.
    """

    def __init__(self, seconds: float, megabytes: int) -> None:
        self._deadline = time.monotonic() + seconds
        self._limit = megabytes * _MEGABYTE
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def scan(self, request: ScanRequest) -> ScanResult | Refused:
        """Return what a scan finds, or why it came to no end."""
        answer: ScanResult | Refused = next(self._answers(Task(request), 1))
        return answer

    def beside(self, request: ScanRequest, name: str, others: Sequence[str]) -> Iterator[ScanResult | Refused]:
        """Yield what `company.beside` does; why it came to no end is the last answer then."""
        yield from self._answers(Task(request, name, tuple(others)), len(others))

    def compare(self, old: Path, new: Path, cache: Path | None) -> Difference | Refused:
        """Return what `difference.compare` does, or why it came to no end."""
        answer: Difference | Refused = next(self._answers(Comparison(old, new, cache), 1))
        return answer

    def _answers(self, task: Task | Comparison, count: int) -> Iterator[Any]:
        for number in range(count):
            answer = self._answer(None if number else task)
            yield answer
            if isinstance(answer, Refused):
                return

    def _answer(self, task: Task | Comparison | None) -> Any:
        """Hand a task to the worker, and wait for an answer."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            self._stop()  # it may still be at work
            return OUT_OF_TIME
        connection = self._start()
        try:
            if task is not None:
                connection.send(task)
            if not connection.poll(left):
                self._stop()
                return OUT_OF_TIME
            return connection.recv()
        except (EOFError, OSError):  # a library that cannot get memory aborts
            self._stop()
            return OUT_OF_MEMORY

    def _start(self) -> Connection:
        if self._connection is None:
            self._connection, theirs = Pipe()
            command = [sys.executable, "-P", "-c", _WORK, str(theirs.fileno()), str(self._limit)]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that uv dies with it
            )
            theirs.close()
        return self._connection

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._connection = self._process = None

"""Progress as lines, for logs: how much is done, how fast, how long it still takes."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

import click

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from abiclash.progress import Unit

EVERY = 30.0
"""Seconds between two lines of a task."""


class Lines:
    """A `progress.Progress` that writes to stderr."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Line:  # noqa: ARG002 - a Progress
        return Line(name(title, 60), total, self._clock)


class Line:
    """One task: a line now and then, and one in the end."""

    def __init__(self, title: str, total: int | None, clock: Callable[[], float]) -> None:
        self._title, self._total, self._clock = title, total, clock
        self._lock = threading.Lock()
        self._done = 0
        self._begin = self._said = clock()

    def advance(self, amount: int = 1) -> None:
        with self._lock:
            self._done += amount
            now = self._clock()
            if now - self._said >= EVERY:
                self._said = now
                self._say(now)

    def _say(self, now: float) -> None:
        rate = self._done / max(now - self._begin, 1e-9)
        text = f"abiclash: {self._title}: {self._done:,}"
        if self._total is not None:
            text += f" of {self._total:,}"
        text += f", {rate:,.2g}/s"
        if self._total is not None and rate and self._done < self._total:
            text += f", {(self._total - self._done) / rate:,.0f} s left"
        click.echo(text, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._say(self._clock())

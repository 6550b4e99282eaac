"""What each stage of a run cost. Never part of a snapshot: two runs with equal results are equal bytes."""

from __future__ import annotations

import os
import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(slots=True)
class Cost:
    """Of one stage. wall, cpu: seconds, the processors', workers' included. peak: bytes, of the largest process.

    tasks: what was left to do at its beginning.
    """

    stage: str
    tasks: int
    wall: float = 0.0
    cpu: float = 0.0
    peak: int = 0


@dataclass(slots=True)
class Meter:
    """Costs by stage, in order. A stage that is entered several times adds up."""

    costs: dict[str, Cost] = field(default_factory=dict)
    current: Cost | None = None

    @contextmanager
    def stage(self, name: str, tasks: int) -> Iterator[Cost]:
        cost = self.costs.setdefault(name, Cost(name, 0))
        cost.tasks += tasks
        self.current = cost
        wall, cpu = time.monotonic(), time.process_time()
        try:
            yield cost
        finally:
            cost.wall += time.monotonic() - wall
            cost.cpu += time.process_time() - cpu
            cost.peak = max(cost.peak, _peak())

    def add(self, measured: Measured[Result]) -> Result:
        """Count a task of the current stage, unless this process ran it itself, and return its result."""
        if self.current is not None and measured.process != os.getpid():
            self.current.cpu += measured.cpu
            self.current.peak = max(self.current.peak, measured.peak)
        return measured.result


@dataclass(frozen=True, slots=True)
class Measured(Generic[Result]):
    """A task's result and what it cost the process that ran it. cpu: seconds. peak: bytes."""

    result: Result
    process: int
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True)
class Measuring(Generic[Task, Result]):
    """A function of one task that measures itself; it can travel to a worker."""

    function: Callable[[Task], Result]

    def __call__(self, task: Task) -> Measured[Result]:
        before = time.process_time()
        result = self.function(task)
        return Measured(result, os.getpid(), time.process_time() - before, _peak())


def _peak() -> int:
    """Return the largest resident size that this process had, in bytes (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

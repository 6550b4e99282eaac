"""What each stage of a run cost. Never part of a snapshot: two runs with equal results are equal bytes."""

from __future__ import annotations

import resource
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Cost:
    """Of one stage. wall, cpu: seconds, the processor's with all local workers. peak: bytes, of the largest process.

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

    @contextmanager
    def stage(self, name: str, tasks: int) -> Iterator[Cost]:
        cost = self.costs.setdefault(name, Cost(name, 0))
        cost.tasks += tasks
        wall, cpu = time.monotonic(), _cpu()
        try:
            yield cost
        finally:
            cost.wall += time.monotonic() - wall
            cost.cpu += _cpu() - cpu
            cost.peak = max(cost.peak, _peak())


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _peak() -> int:
    """Return the largest resident size of this process and of its ended children, in bytes (Linux counts KiB)."""
    sizes = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return max(sizes) * 1024

"""Run one piece of work in a process of its own and say what it cost; print results as Markdown tables."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Cost:
    """wall, cpu: seconds (cpu over all threads and children). peak: bytes of memory the process ever held."""

    wall: float
    cpu: float
    peak: int


def cost_of(work: Callable[[], object]) -> Cost:
    """Return what a call costs in this process."""
    wall, before = time.perf_counter(), os.times()
    work()
    wall, after = time.perf_counter() - wall, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    return Cost(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def in_child(script: str, *arguments: str) -> Cost:
    """Run this script again with arguments that make it print `report(cost)`, in a fresh process."""
    done = subprocess.run([sys.executable, script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def report(cost: Cost) -> None:
    """Tell the parent process."""
    print(json.dumps([cost.wall, cost.cpu, cost.peak]))


def best(costs: Sequence[Cost]) -> Cost:
    """Return the least of several runs, each figure by itself: what disturbs a run only ever adds."""
    return Cost(min(c.wall for c in costs), min(c.cpu for c in costs), max(c.peak for c in costs))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

"""Runs that are killed, starved of disk and badly served: nothing is lost, nothing is there twice."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.corpus import lock as locks
from abiclash.corpus.executor import LocalExecutor, Lost
from abiclash.corpus.pipeline import Pipeline
from tests.corpus.small import lock_of, tree

if TYPE_CHECKING:
    from abiclash.corpus.lock import Lock
    from tests.corpus.small import Fault, Index

pytestmark = pytest.mark.compiler

FAULTS: list[Fault] = ["503", "cut", "429", "ok", "cut", "503", "ok", "429"]


def start(lock: Path, folder: Path, workers: int = 1, largest: int = 0) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        str(Path(__file__).with_name("driver.py")),
        str(lock),
        str(folder),
        str(workers),
        str(largest),
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": ""})


def finish(lock: Path, folder: Path, largest: int = 0) -> str:
    with start(lock, folder, workers=0, largest=largest) as process:
        _, said = process.communicate(timeout=300)
    return said


def results(folder: Path) -> dict[str, bytes]:
    """Return the results without what killed writers left for the sweeper."""
    return {path: content for path, content in tree(folder / "results").items() if not path.startswith("tmp/")}


def clean(lock: Lock, folder: Path) -> tuple[dict[str, bytes], float]:
    """Return the results of an undisturbed run, and how long it took."""
    begin = time.monotonic()
    Pipeline(lock, folder / "cache", str(folder / "results"), LocalExecutor(0)).run()
    return results(folder), time.monotonic() - begin


def killed(index: Index, folder: Path, times: int) -> None:
    lock = lock_of(index)
    wanted, seconds = clean(lock, folder / "clean")
    path = folder / "lock.json"
    path.write_text(locks.render(lock))
    chance = random.Random(times)  # noqa: S311 - no secret
    workers = 0
    for _ in range(times):
        index.faults[:] = FAULTS
        with start(path, folder / "killed") as process:
            time.sleep(chance.uniform(0.2, 1.5 * seconds + 1))
            workers += process.poll() is None
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
    index.faults[:] = FAULTS
    assert finish(path, folder / "killed") == ""
    assert results(folder / "killed") == wanted
    assert workers  # at least one was still at work


def test_a_driver_that_is_killed_three_times(index: Index, tmp_path: Path) -> None:
    killed(index, tmp_path, 3)


@pytest.mark.slow
def test_a_driver_that_is_killed_twenty_times(index: Index, tmp_path: Path) -> None:
    killed(index, tmp_path, 20)


def test_a_disk_that_is_full_loses_nothing(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    wanted, _ = clean(lock, tmp_path / "clean")
    path = tmp_path / "lock.json"
    path.write_text(locks.render(lock))
    said = [finish(path, tmp_path / "full", largest) for largest in (1, 9_000, 0)]
    assert "error: " in said[0]
    assert said[-1] == ""
    assert results(tmp_path / "full") == wanted


def _deadly(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def test_a_task_that_kills_its_worker_costs_only_itself() -> None:
    executor = LocalExecutor(2)
    found = dict(executor.run(_deadly, range(6)))
    executor.close()
    assert isinstance(found.pop(3), Lost)
    assert found == {number: number * number for number in (0, 1, 2, 4, 5)}

"""The store under eight processes at once, kills, a full disk and a read-only folder: whole facts, or none."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.facts.store import Store
from tests.facts.made_facts import same
from tests.facts.test_store import _facts, _shas, some_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
NAMES = 200
WRITER = """
import sys, pathlib
from abiclash.facts.store import Store
from tests.facts.test_store import _facts, _shas, some_names
root, names = pathlib.Path(sys.argv[1]), some_names(200)
print("on", flush=True)
while True:
    for sha in _shas():
        store = Store(root)
        store.put(_facts(sha), names)
        store.put_document("plans", sha, sha.encode() * 50)
"""
FULL = """
import resource, signal, sys, pathlib
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
from abiclash.facts.store import Store
from tests.facts.test_store import _facts, _shas, some_names
store = Store(pathlib.Path(sys.argv[1]))
for sha in _shas():
    store.put(_facts(sha), some_names(200))
    store.put_document("plans", sha, sha.encode() * 50)
assert all(store.get(sha) for sha in _shas()), "this run goes on with what it has in memory"
print(store.problem)
"""


def _seen_whole(root: Path) -> int:
    """Return how many facts and documents are there; every one of them must be what was written."""
    store, seen = Store(root), 0
    for sha in _shas():
        found, document = store.get(sha), store.get_document("plans", sha)
        assert found is None or same(found, _facts(sha))
        assert document in (None, sha.encode() * 50)
        seen += (found is not None) + (document is not None)
    return seen


def _work(root: Path, rounds: int, number: int) -> None:
    """Write, read and damage, in an order of its own."""
    order = random.Random(number)  # noqa: S311 - no secret
    for _ in range(rounds):
        for sha in order.sample(_shas(), len(_shas())):
            store = Store(root)
            if order.random() < 0.2:
                _tear(store._entry(order.choice(_shas())) / "symbols.parquet")
            store.put(_facts(sha), some_names(NAMES))
            store.put_document("plans", sha, sha.encode() * 50)
            _seen_whole(root)


def _tear(path: Path) -> None:
    """Cut a file short, as a power failure might; another process may have replaced it meanwhile."""
    try:
        os.truncate(path, 10)
    except OSError:
        return


def test_eight_processes_write_read_and_damage(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork" if sys.version_info < (3, 12) else "spawn")
    workers = [context.Process(target=_work, args=(tmp_path, 3, number)) for number in range(8)]  # type: ignore[attr-defined]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    store = Store(tmp_path)
    for sha in _shas():
        store.put(_facts(sha), some_names(NAMES))
    assert _seen_whole(tmp_path) == 2 * len(_shas()), "what was damaged is written again"


def _kills(root: Path, count: int, seed: int) -> Iterator[int]:
    """Kill a writer `count` times at random moments; yield how much was there after each."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(count):
        command = [sys.executable, "-c", WRITER, str(root)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"on\n"
            time.sleep(chance.uniform(0, 0.08))
            writer.send_signal(signal.SIGKILL)
        yield _seen_whole(root)
        if chance.random() < 0.3:
            for path in root.glob("facts-*/wheels/*/*"):
                (path / "manifest.json").unlink(missing_ok=True)


def test_ten_kills(tmp_path: Path) -> None:
    assert max(_kills(tmp_path, 10, 0)) > 0


@pytest.mark.slow
def test_two_hundred_kills(tmp_path: Path) -> None:
    seen = list(_kills(tmp_path, 200, 1))
    assert len(seen) == 200
    assert max(seen) == 2 * len(_shas())


@pytest.mark.parametrize("room", [0, 30, 200, 700, 1500])
def test_a_disk_that_fills_up_at_any_point(tmp_path: Path, room: int) -> None:
    """Nothing half is kept, the run goes on in memory and says why, and the next one with room stores it all."""
    command = [sys.executable, "-c", FULL, str(tmp_path), str(room)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout
    _seen_whole(tmp_path)
    store = Store(tmp_path)
    for sha in _shas():
        store.put(_facts(sha), some_names(NAMES))
        assert same(store.get(sha), _facts(sha))
    assert store.problem is None


@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 64, reason="few files allowed here already")
def test_without_file_descriptors_nothing_is_believed(tmp_path: Path) -> None:
    Store(tmp_path).put(_facts(_shas()[0]), some_names(NAMES))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    store = Store(tmp_path)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        found = store.get(_shas()[0])
        store.put(_facts(_shas()[1]), some_names(NAMES))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found is None
    assert "Too many open files" in str(store.problem)
    assert same(Store(tmp_path).get(_shas()[0]), _facts(_shas()[0]))


def test_facts_of_another_schema_stay_as_they_are(tmp_path: Path) -> None:
    """A newer abiclash writes beside the older one's facts, and neither reads the other's."""
    sha = _shas()[0]
    older, newer = Store(tmp_path, schema=1), Store(tmp_path, schema=2)
    older.put(_facts(sha), some_names(NAMES))
    older.put_document("plans", sha, b"old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert newer.get(sha) is None
    assert newer.get_document("plans", sha) is None
    newer.put(_facts(sha), [])
    newer.put_document("plans", sha, b"new")
    assert {path: path.read_bytes() for path in before} == before
    assert older.get_document("plans", sha) == b"old"
    assert newer.get_document("plans", sha) == b"new"

"""The same scan on a Dask cluster, one of whose workers dies twice: the results are those of this machine."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.corpus import executor as executors
from abiclash.corpus.executor import DaskExecutor, LocalExecutor, make_executor
from abiclash.corpus.pipeline import Pipeline
from abiclash.corpus.results import FolderResults, open_results
from abiclash.errors import UsageError
from tests.corpus.small import lock_of, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.corpus.small import Index


class Killing:
    """An executor that kills a worker of its cluster after the first result of each of the first runs."""

    def __init__(self, cluster: DaskExecutor, times: int) -> None:
        self.cluster = cluster
        self.left = times

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        for place, found in enumerate(self.cluster.run(function, tasks)):
            if not place and len(tasks) > 1 and self.left:
                self.left -= 1
                os.kill(self.cluster.workers()[0], signal.SIGKILL)
            yield found

    def close(self) -> None:
        self.cluster.close()


@pytest.mark.compiler
@pytest.mark.filterwarnings("ignore")  # distributed's own
def test_a_cluster_that_loses_workers_ends_with_the_same_bytes(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    Pipeline(lock, tmp_path / "here" / "cache", str(tmp_path / "here" / "results"), LocalExecutor(0)).run()
    executor = Killing(DaskExecutor("local:2"), 2)
    where = f"file://{tmp_path}/there/results"  # through fsspec, as object storage is
    try:
        Pipeline(lock, tmp_path / "there" / "cache", where, executor).run()
    finally:
        executor.close()
    assert executor.left == 0
    assert tree(tmp_path / "there" / "results") == tree(tmp_path / "here" / "results")


def test_results_by_path_and_by_url_are_the_same(tmp_path: Path) -> None:
    here, there = FolderResults(tmp_path), open_results(f"file://{tmp_path}")
    here.put("a/b.json", b"1")
    there.put("a/c.json", b"2")
    for results in (here, there):
        assert results.get("a/b.json") == b"1"
        assert results.get("a/c.json") == b"2"
        assert results.get("a/d.json") is None
        assert results.has("a/c.json")
        assert not results.has("a/d.json")
        assert results.under("a") == ["a/b.json", "a/c.json"]
        assert results.under("nothing") == []


def test_an_executor_by_name() -> None:
    assert isinstance(make_executor("local"), executors.LocalExecutor)
    with pytest.raises(UsageError, match="dask:ADDRESS"):
        make_executor("spark")

"""A corpus from its lock to a snapshot: what is found, what is lost, what is made again."""

from __future__ import annotations

import json
import random
import shutil
from typing import TYPE_CHECKING

import pytest

from abiclash.corpus import snapshot
from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.pipeline import Budget, Pipeline, Unfinished
from abiclash.errors import StoreError
from abiclash.facts.model import SCHEMA
from tests.corpus.small import lock_of, tree

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.corpus.lock import Lock
    from abiclash.corpus.snapshot import Snapshot
    from tests.corpus.small import Index

pytestmark = pytest.mark.compiler


def scan(lock: Lock, folder: Path, workers: int = 0, budget: Budget | None = None) -> Snapshot:
    budget = budget or Budget()
    return Pipeline(lock, folder / "cache", str(folder / "results"), LocalExecutor(workers), budget).run()


def test_the_clash_is_found_and_the_broken_wheel_costs_only_itself(index: Index, tmp_path: Path) -> None:
    found = scan(lock_of(index), tmp_path)
    errors = {
        (one["rule"], *sorted(p["name"] for p in one["packages"]))
        for one in found.findings
        if one["severity"] == "error"
    }
    assert ("soname-collision", "alpha", "beta") in errors
    assert found.run["totals"]["analysed"] == 5
    assert found.run["totals"]["packages"] == 6
    problems = {one["name"]: one["not_analysed"] for one in found.packages}
    assert "not a" in problems.pop("broken")[0][1]
    assert not any(problems.values())
    assert sorted(index.served) == sorted(index.wheels)  # each file once
    pairs = {
        tuple(pair["pair"])
        for path in (tmp_path / "results" / "pairs").rglob("*.json")
        for pair in [json.loads(path.read_text())]
    }
    assert not any("gamma" in pair for pair in pairs)
    assert {("alpha", "beta"), ("beta", "delta"), ("alpha", "omega"), ("beta", "omega")} <= pairs
    assert found.run["totals"]["simulated"] == len(pairs)


def test_again_and_in_workers_it_is_the_same_to_the_byte(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    first = scan(lock, tmp_path / "one")
    before = tree(tmp_path / "one" / "results")
    asked = len(index.served)
    assert scan(lock, tmp_path / "one").folder == first.folder
    assert tree(tmp_path / "one" / "results") == before
    assert len(index.served) == asked
    scan(lock, tmp_path / "two", workers=2)
    assert tree(tmp_path / "two" / "results") == before


def test_what_is_lost_is_made_again(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    scan(lock, tmp_path)
    before = tree(tmp_path / "results")
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(3):
        for path in sorted((tmp_path / "results").rglob("*.*")):
            if path.is_file() and chance.random() < 0.4:
                path.unlink()
        shutil.rmtree(tmp_path / "cache" / f"facts-{SCHEMA}" / "documents", ignore_errors=True)
        scan(lock, tmp_path)
        assert tree(tmp_path / "results") == before


def test_budgets(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    whole = scan(lock, tmp_path / "whole")
    small = scan(lock, tmp_path / "small", budget=Budget(disk=1))
    assert small.folder == whole.folder
    assert not list((tmp_path / "small" / "cache" / "wheels").rglob("*.whl"))
    assert list((tmp_path / "whole" / "cache" / "wheels").rglob("*.whl"))
    with pytest.raises(Unfinished, match="run it again"):
        scan(lock, tmp_path / "late", budget=Budget(seconds=0))
    assert scan(lock, tmp_path / "late").folder == whole.folder


class Late(Pipeline):
    """A run whose time is over when most pairs are played."""

    def _check_time(self, title: str, left: int) -> None:
        if title == "playing pairs" and left == 2:
            raise Unfinished(title)


def test_a_partial_run_says_what_it_did_not_play(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abiclash.corpus.pairs.CHUNK", 1)
    lock = lock_of(index)
    folders = tmp_path / "cache", str(tmp_path / "results")
    with pytest.raises(Unfinished):
        Late(lock, *folders, LocalExecutor(0)).run()
    totals = Late(lock, *folders, LocalExecutor(0), Budget(partial=True)).run().run["totals"]
    assert 0 < totals["simulated"] < totals["candidates"]
    whole = Pipeline(lock, *folders, LocalExecutor(0)).run().run["totals"]
    assert whole["simulated"] == whole["candidates"] == totals["candidates"]


def test_a_bad_index_changes_nothing(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    whole = scan(lock, tmp_path / "one")
    index.faults[:] = ["503", "cut", "429", "ok", "cut", "503", "429"]
    assert scan(lock, tmp_path / "two").folder == whole.folder
    assert tree(tmp_path / "one" / "results") == tree(tmp_path / "two" / "results")


def test_a_wheel_that_cannot_be_had_today_is_listed_and_tried_again(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index, broken=False)
    content = index.wheels.pop("beta-1.0-cp311-cp311-manylinux_2_17_x86_64.whl")
    without = scan(lock, tmp_path)
    assert [one["name"] for one in without.packages if one["not_analysed"]] == ["beta"]
    index.wheels["beta-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"] = content
    found = scan(lock, tmp_path)
    assert found.folder != without.folder
    assert not any(one["not_analysed"] for one in found.packages)
    history = snapshot.snapshots(found.results, "small")
    assert [one.folder for one in history] == [without.folder, found.folder]


def test_results_that_cannot_be_written_end_the_run_with_a_reason(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "locks").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="run it again"):
        scan(lock, tmp_path)

"""Load plans observed for a corpus, on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.pipeline import Pipeline
from tests.corpus.small import lock_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus.small import Index


@pytest.mark.slow
@pytest.mark.compiler
def test_observed_imports_take_the_place_of_inferred_ones(index: Index, tmp_path: Path) -> None:
    lock = lock_of(index, broken=False)
    inferred = Pipeline(lock, tmp_path / "cache", str(tmp_path / "results"), LocalExecutor(0)).run()
    seen = Pipeline(lock, tmp_path / "cache", str(tmp_path / "results"), LocalExecutor(0), observe=True).run()
    loads = {one["name"]: one["loads"] for one in seen.packages}
    assert loads["omega"].keys() == {"observed"}
    assert {one["name"]: one["loads"] for one in inferred.packages}["omega"].keys() == {"source"}
    unseen = {one["name"]: json.dumps(one["not_analysed"]) for one in seen.packages if one["not_analysed"]}
    assert all("not observed" in text for text in unseen.values())  # gamma's module is none that can be imported
    assert {one["id"] for one in seen.findings} & {one["id"] for one in inferred.findings}

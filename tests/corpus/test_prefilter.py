"""The join of signatures loses no pair that interferes: compared with all pairs simulated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from abiclash.corpus.lock import make_lock
from abiclash.corpus.manifest import load
from abiclash.sources.resolve import Options
from tests.corpus.proof import prove
from tests.corpus.small import lock_of
from tests.support.require import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.corpus.small import Index


@pytest.mark.compiler
def test_no_pair_of_the_small_corpus_is_lost(index: Index, tmp_path: Path) -> None:
    proof = prove(lock_of(index), tmp_path / "cache", tmp_path / "results")
    assert proof.lost == []
    assert proof.differing == []
    assert proof.pairs == 10
    assert proof.interfering
    assert proof.candidates < proof.pairs


@pytest.mark.slow
@pytest.mark.index
def test_no_pair_of_sixty_popular_packages_is_lost(tmp_path: Path) -> None:
    """Needs a GB of wheels and half an hour of processor time. ABICLASH_SAMPLE: another number of packages."""
    corpus = load("popular-native").limited(int(os.environ.get("ABICLASH_SAMPLE", "60")))
    cache = cache_folder("corpora")
    lock = make_lock(corpus, corpus.variant("3.11"), Options(cache))
    proof = prove(lock, cache, tmp_path / "results", workers=len(os.sched_getaffinity(0)))
    print(proof)  # noqa: T201 - the figures for docs/corpora.md
    assert proof.lost == []
    assert proof.differing == []
    assert proof.candidates < proof.pairs / 2

"""The join against a plain comparison of all pairs."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from abiclash.corpus import join
from abiclash.corpus.join import candidates, connect
from abiclash.corpus.signature import DIFFER, MEET, Kind
from abiclash.facts.parquet import to_parquet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SURPLUS = 100


def rows(seed: int, packages: int = 30, count: int = 600) -> NDArray[np.uint64]:
    """Return random rows package, kind, about, choice; few things and choices, so that much meets."""
    chance = np.random.default_rng(seed)
    kinds = np.array([kind for kind in Kind if kind is not Kind.TLS], dtype=np.uint64)
    columns = [
        chance.integers(0, packages, count),
        chance.choice(kinds, count),
        chance.integers(1, 60, count),
        chance.integers(0, 3, count),
    ]
    table = np.stack(columns, axis=1).astype(np.uint64)
    one_sided = np.isin(table[:, 1], [kind for pair in MEET for kind in pair])
    table[one_sided, 3] = 0
    need = np.stack(
        [np.arange(packages), np.full(packages, Kind.TLS), np.zeros(packages), chance.integers(1, 80, packages)], axis=1
    )
    return np.unique(np.concatenate([table, need.astype(np.uint64)]), axis=0)


def plainly(table: NDArray[np.uint64]) -> dict[tuple[int, int], int]:
    """Compare every pair of packages row by row."""
    own: dict[int, dict[tuple[int, int], set[int]]] = {}
    for package, kind, about, choice in table.tolist():
        own.setdefault(package, {}).setdefault((kind, about), set()).add(choice)
    found = {}
    for one, other in combinations(sorted(own), 2):
        mask = 0
        for kind in DIFFER:
            for key in own[one].keys() & own[other].keys():
                if key[0] == kind and len(own[one][key] | own[other][key]) > 1:
                    mask |= 1 << kind
        for left, right in MEET:
            for a, b in ((one, other), (other, one)):
                if {about for kind, about in own[a] if kind == left} & {
                    about for kind, about in own[b] if kind == right
                }:
                    mask |= 1 << left
        if sum(sum(own[p].get((Kind.TLS, 0), [])) for p in (one, other)) > SURPLUS:
            mask |= 1 << Kind.TLS
        if mask:
            found[one, other] = mask
    return found


def written(table: NDArray[np.uint64], folder: Path) -> str:
    columns = {
        "package": table[:, 0].astype(np.int32),
        "kind": table[:, 1].astype(np.uint8),
        "about": table[:, 2].copy(),
        "choice": table[:, 3].copy(),
    }
    (folder / "rows.parquet").write_bytes(to_parquet(columns))
    return f"SELECT * FROM read_parquet('{folder}/rows.parquet')"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("partitions", [1, 5])
def test_the_join_finds_what_comparing_all_pairs_finds(seed: int, partitions: int, tmp_path: Path) -> None:
    table = rows(seed)
    found = candidates(connect(), written(table, tmp_path), SURPLUS, partitions)
    assert {(one, other): mask for one, other, mask in found.pairs} == plainly(table)
    assert found.rows == len(table)
    assert found.crowded == 0


def test_a_crowd_meets_the_first_of_each_other_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = np.array([[package, Kind.NAME, 7, package % 4] for package in range(join.CROWD + 8)], dtype=np.uint64)
    found = candidates(connect(), written(everybody, tmp_path), SURPLUS)
    assert found.crowded == 1
    firsts = {min(one, other) for one, other, _ in found.pairs}
    assert firsts == {0, 1, 2, 3}
    assert len(found.pairs) < 4 * len(everybody)
    meets = {package for one, other, _ in found.pairs for package in (one, other)}
    assert meets == set(range(len(everybody)))  # nobody is left out


def test_kinds_by_name() -> None:
    assert join.Joined((), 0, 0).kinds(1 << Kind.NAME | 1 << Kind.PUTS) == ["name", "puts"]

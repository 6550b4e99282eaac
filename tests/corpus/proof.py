"""All pairs of a corpus simulated, to compare with what the join of signatures lets through."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

from abiclash.corpus import pairs
from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.join import connect
from abiclash.corpus.pipeline import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.corpus.lock import Lock


@dataclass(slots=True)
class Proof:
    """pairs: all of them. candidates: what the join lets through. interfering: what a simulation finds.

    lost: interfering pairs, or pairs with an error or warning of their own, that are no candidates. differing:
    candidates whose findings are others when both imports are followed anew.
    """

    pairs: int = 0
    candidates: int = 0
    interfering: int = 0
    lost: list[tuple[str, str]] = field(default_factory=list)
    differing: list[tuple[str, str]] = field(default_factory=list)


def prove(lock: Lock, cache: Path, results: Path, workers: int = 0) -> Proof:
    """Scan a corpus, then simulate every pair of it, and compare. Killed and started again, it goes on where it was."""
    executor = LocalExecutor(workers)
    pipeline = Pipeline(lock, cache, str(results), executor)
    snapshot = pipeline.run()
    alone = {one["name"]: set(one["findings"]) for one in snapshot.packages}
    known = {root.name for root in lock.usable} & {one["name"] for one in snapshot.packages if one["counts"]}
    roots = [root for root in lock.usable if root.name in known]
    table = str(results / snapshot.folder / "pairs.parquet")
    candidates = set(connect().execute("SELECT one, other FROM read_parquet($1)", [table]).fetchall())
    every = [pairs.Pair(one, other, follow=True) for one, other in combinations(roots, 2)]
    for _ in executor.run(pairs.simulate_pairs, pairs.tasks(pipeline.place, every)):
        pass
    executor.close()

    def played(pair: pairs.Pair) -> dict[str, Any]:
        path = results / pair.path(lock.variant, lock.orders, observed=False)
        return dict(json.loads(path.read_text())) if path.is_file() else {}

    proof = Proof(len(every), len(candidates))
    for pair in every:
        whole, names = played(pair), (pair.one.name, pair.other.name)
        both = alone[names[0]] | alone[names[1]]
        proof.interfering += bool(whole["interferes"])
        if names not in candidates:
            if whole["interferes"] or own(whole, both):
                proof.lost.append(names)
        else:
            through = played(replace(pair, follow=False)) or whole
            if own(whole, both) != own(through, both):
                proof.differing.append(names)
    return proof


def own(played: dict[str, Any], alone: set[str]) -> set[str]:
    """Return the errors and warnings that a pair has and neither of its packages."""
    return {one["id"] for one in played["findings"] if one["severity"] != "note"} - alone

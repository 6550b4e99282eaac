"""Of a larger set not every order is played, and nothing that two packages do to each other is lost by that."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abiclash.contact import Claim, Surface
from abiclash.linker.lookup import NOT_FOUND
from abiclash.orders import orders_that_matter
from abiclash.rules.case import Stage
from abiclash.rules.model import Severity
from abiclash.rules.registry import rules
from abiclash.scanning import ScanRequest, prepare
from abiclash.simulate import Player, simulate
from tests.simulate.neighbourhood import wheels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import PackageId
    from abiclash.setting import Setting
    from tests.support import Builder


@pytest.fixture
def request_of_all(builder: Builder, tmp_path: Path) -> ScanRequest:
    return ScanRequest(tuple(wheels(builder, tmp_path)), cache=tmp_path / "cache", offline=True)


def bindings(runs: Iterable[Run]) -> set[tuple[int, int, int]]:
    """Return (object, symbol, definition's object) of everything bound in some runs."""
    found: set[tuple[int, int, int]] = set()
    for run in runs:
        for link in run.process.maps.values():
            if link.targets is not None:
                keys = run.process.world.table(link.file).queries.key
                bound = link.targets != NOT_FOUND
                columns = (keys[bound].tolist(), link.targets[bound].tolist())
                found |= {(link.file, key, target) for key, target in zip(*columns, strict=True)}
    return found


def failures(runs: Iterable[Run]) -> set[tuple[str, str]]:
    return {(p.load.path, p.event.failure.kind) for run in runs for p in run.played if p.event.failure is not None}


def played(request: ScanRequest) -> tuple[Player, Case, Setting]:
    setting, _, planner = prepare(request)
    player = Player(setting.world, setting.host, planner)
    return player, simulate(player, setting.packages, setting.owners, setting.names, every=True), setting


@pytest.mark.compiler
def test_no_binding_of_any_pair_is_lost(request_of_all: ScanRequest) -> None:
    player, case, _ = played(request_of_all)
    seen, failed = bindings(case.together), failures(case.together)
    new = 0
    for pair in permutations(case.requested, 2):
        runs = [player.imported(pair), player.used(pair)]
        alone = bindings(case.alone[name, stage] for name in pair for stage in Stage)
        new += len(bindings(runs) - alone)
        assert bindings(runs) - alone <= seen, pair
        assert failures(runs) <= failed, pair
    assert new >= 10  # the set is not innocent
    assert len({run.order for run in case.together}) < len(case.requested) + 4


@pytest.mark.compiler
def test_no_finding_of_any_pair_is_lost(request_of_all: ScanRequest) -> None:
    player, together, setting = played(request_of_all)
    known = _said(together)
    assert any(severity is Severity.ERROR for _, severity, _ in known)
    for pair in permutations(together.requested[1:], 2):
        order = (together.requested[0], *pair)  # who only brings the shared library, and loads nothing of it
        packages = {
            name: replace(setting.packages[name], requested=name in order) for name in (*order, *setting.packages)
        }
        case = simulate(player, packages, setting.owners, setting.names, every=False)
        assert case.requested == order
        assert _said(case) <= known, pair


def _said(case: Case) -> set[tuple[str, Severity, tuple[PackageId, ...]]]:
    findings = [finding for entry in rules() for finding in entry.check(case)]
    return {(f.rule, f.severity, f.packages) for f in findings if f.severity is not Severity.NOTE}


def test_nothing_to_contest_leaves_the_given_order() -> None:
    names = ("a", "b", "c", "d")
    assert orders_that_matter(names, dict.fromkeys(names, Surface(frozenset())), lambda *_: set()) == [names]


def test_one_stands_for_all_that_decide_alike() -> None:
    def claim(file: str) -> Surface:
        return Surface(frozenset({Claim("name", "libx.so.1", file)}))

    surfaces = {"a": Surface(frozenset()), "b": claim("1"), "c": claim("2"), "d": claim("2"), "e": claim("1")}

    def shown(order: tuple[str, ...], claims: AbstractSet[Claim]) -> set[Claim]:
        first = next(name for name in order if surfaces[name].claims)
        return set(surfaces[first].claims & claims)

    orders = orders_that_matter(tuple(surfaces), surfaces, shown)
    assert orders == [("a", "b", "c", "d", "e"), ("c", "a", "b", "d", "e")]


def test_who_fills_the_global_scope_comes_last_or_first() -> None:
    spread = Surface(frozenset({Claim("scope", 1, "b")}))
    surfaces = {"a": Surface(frozenset()), "b": spread, "c": Surface(frozenset({Claim("unique", 7, 1)}))}
    surfaces["d"] = Surface(frozenset({Claim("unique", 7, 2)}))
    orders = orders_that_matter(tuple(surfaces), surfaces, lambda *_: set())
    assert orders == [("a", "b", "c", "d"), ("b", "a", "c", "d"), ("c", "a", "d", "b"), ("d", "a", "c", "b")]

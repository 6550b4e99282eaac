"""Safe orders from what was played, with a judge that knows which pairs clash."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.graph.orders import safe_order
from abiclash.rules.model import Audience, Confidence, Finding, PackageId, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Order = tuple[str, ...]


def _finding(first: str, second: str, failing: Sequence[Order]) -> Finding:
    return Finding(
        id=f"split-state-{first}{second}",
        rule="split-state",
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN,
        audience=Audience.USER,
        packages=(PackageId(first), PackageId(second)),
        summary="",
        explanation="",
        advice=(),
        failing_order=failing[0] if failing else None,
        evidence={"failing_orders": [list(order) for order in failing]},
    )


class World:
    """Packages of which some break others that come later. bad: (first, second)."""

    def __init__(self, *bad: tuple[str, str]) -> None:
        self.bad = bad
        self.played: list[Order] = []

    def errors(self, orders: Iterable[Order]) -> list[Finding]:
        orders = list(orders)
        found = []
        for first, second in self.bad:
            failing = [o for o in orders if first in o and second in o and o.index(first) < o.index(second)]
            if failing:
                found.append(_finding(first, second, failing))
        return found

    def __call__(self, names: Sequence[str], *, every: bool = False) -> list[Finding]:  # noqa: ARG002 - a Judge
        self.played.append(tuple(names))
        return self.errors([tuple(names)])


def test_nothing_clashes() -> None:
    answer = safe_order("abc", [tuple("abc")], [], World())
    assert answer.order == ("a", "b", "c")
    assert answer.groups == (("a", "b", "c"),)


def test_groups_and_why() -> None:
    world = World(("a", "c"), ("b", "c"))
    orders = [tuple("abcd"), tuple("cabd")]
    answer = safe_order("abcd", orders, world.errors(orders), world)
    assert answer.order == ("c", "d", "a", "b")
    assert answer.groups == (("c", "d"), ("a", "b"))
    assert [(demand.before, demand.after, demand.failing) for demand in answer.demands] == [
        ("c", "a", tuple("abcd")),
        ("c", "b", tuple("abcd")),
    ]
    assert answer.played == (tuple("cdab"), tuple("dcba"))


def test_learns_from_an_order_that_fails() -> None:
    world = World(("a", "b"), ("c", "d"))
    orders = [tuple("abdc")]  # the scan has not seen what c does to d
    answer = safe_order("abdc", [*orders, tuple("bdac")], world.errors([*orders, tuple("bdac")]), world)
    assert answer.order is not None
    assert world.errors([answer.order]) == []
    assert {(demand.before, demand.after) for demand in answer.demands} == {("b", "a"), ("d", "c")}


def test_both_ways_are_a_proof() -> None:
    world = World(("a", "b"), ("b", "a"))
    orders = list(permutations("ab"))
    answer = safe_order("ab", orders, world.errors(orders), world)
    assert answer.order is None
    assert answer.exhaustive
    assert {(demand.before, demand.after) for demand in answer.obstacle} == {("a", "b"), ("b", "a")}


def test_a_ring_of_three() -> None:
    world = World(("a", "b"), ("b", "c"), ("c", "a"))
    orders = list(permutations("abc"))
    answer = safe_order("abc", orders, world.errors(orders), world)
    assert answer.order is None
    chain = [(demand.before, demand.after) for demand in answer.obstacle]
    assert len(chain) == 3
    assert all(one[1] == other[0] for one, other in zip(chain, [*chain[1:], chain[0]], strict=True))


def test_an_error_that_no_order_avoids() -> None:
    broken = _finding("a", "b", ())
    answer = safe_order("abcd", [tuple("abcd")], [broken], World())
    assert answer.order is None
    assert {demand.finding for demand in answer.obstacle} == {broken.id}


@settings(max_examples=40, deadline=None)
@given(
    st.sets(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")).filter(lambda p: p[0] != p[1]), max_size=6)
)
def test_found_where_there_is_one(bad: set[tuple[str, str]]) -> None:
    world = World(*sorted(bad))
    orders = list(permutations("abcde"))
    answer = safe_order("abcde", orders, world.errors(orders), world)
    clean = [order for order in orders if not world.errors([order])]
    if clean:
        assert answer.order in clean
    else:
        assert answer.order is None
        assert answer.obstacle

"""Minimum hitting sets, against trying everything."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.graph import hitting
from abiclash.graph.hitting import minimum

if TYPE_CHECKING:
    import pytest

_MEMBERS = "abcdefg"
_SETS = st.lists(st.sets(st.sampled_from(_MEMBERS), min_size=1, max_size=4), max_size=8)


@settings(deadline=None)
@given(_SETS)
def test_as_good_as_trying_everything(sets: list[set[str]]) -> None:
    for size in range(len(_MEMBERS) + 1):
        best = [chosen for chosen in combinations(_MEMBERS, size) if all(set(chosen) & one for one in sets)]
        if best:
            break
    found = minimum(sets, most=100)
    assert (found.sets, found.exact, found.more) == (tuple(sorted(best)), True, False)


def test_more_than_are_told() -> None:
    assert minimum([set("abc")], most=2) == hitting.Hitting((("a",), ("b",)), exact=True, more=True)


def test_greedy_where_the_best_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hitting, "_STEPS", 5)
    found = minimum([{first, second} for first, second in combinations(_MEMBERS, 2)])
    assert not found.exact
    assert all(set(found.sets[0]) & {first, second} for first, second in combinations(_MEMBERS, 2))

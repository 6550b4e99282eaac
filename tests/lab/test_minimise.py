"""Delta debugging on plain sets."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.lab.investigate.minimise import minimise

_LETTERS = list(string.ascii_lowercase)


@pytest.mark.parametrize("wanted", [{"a"}, {"z"}, {"c", "x"}, {"a", "b", "y", "z"}, set(_LETTERS)])
def test_a_needed_set_is_found(wanted: set[str]) -> None:
    found, whole = minimise(_LETTERS, lambda part: wanted <= part)
    assert (set(found), whole) == (wanted, True)


@given(st.sets(st.sampled_from(_LETTERS), min_size=1), st.sets(st.sampled_from(_LETTERS), min_size=1))
def test_one_of_two_causes_is_found_and_nothing_can_be_left_out(one: set[str], other: set[str]) -> None:
    found, _ = minimise(_LETTERS, lambda part: one <= part or other <= part)
    assert set(found) in (one, other)


def test_equal_sets_are_tested_once() -> None:
    seen: list[frozenset[str]] = []

    def effective(part: frozenset[str]) -> bool:
        seen.append(part)
        return {"b", "u"} <= part

    minimise(_LETTERS, effective)
    assert len(seen) == len(set(seen))
    assert len(seen) < 40


def test_when_time_runs_out_the_best_so_far_is_told_as_not_minimal() -> None:
    assert minimise(_LETTERS, lambda part: "a" in part, stop=lambda: True) == (tuple(_LETTERS), False)


def test_one_item_is_its_own_minimum() -> None:
    assert minimise(["only"], lambda _: pytest.fail("nothing to test")) == (("only",), True)

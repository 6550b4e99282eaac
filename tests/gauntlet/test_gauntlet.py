"""Real conflicts and real innocents: what is found, what is missed, what is wrongly accused.

Run with `python -m pytest -m gauntlet tests/gauntlet`: it fetches every wheel of every case once, some gigabytes, and
prints recall and precision with every miss at its end. Nothing of the wheels is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.gauntlet.cases import OWN, RULES, judge, load_cases

if TYPE_CHECKING:
    from tests.gauntlet.conftest import Tally


@pytest.mark.gauntlet
@pytest.mark.index
@pytest.mark.parametrize("case", load_cases(), ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any], tally: Tally) -> None:
    judged = judge(case)
    tally.add(judged)
    if case["kind"] == "negative":
        assert judged.errors == [], f"false alarm: {[finding.summary for finding in judged.errors]}"
    else:
        if judged.finding() is None and "missed" in case:
            pytest.xfail(case["missed"])
        said = [(f.rule, f.severity.value, f.failing_order) for f in judged.result.findings]
        assert judged.finding() is not None, f"missed {case['mechanism']}: {said}"


def test_every_mechanism_has_a_rule() -> None:
    mechanisms = {case["mechanism"] for case in load_cases() if case["kind"] == "positive"}
    assert mechanisms - RULES.keys() == set()


def test_cases_are_pinned_and_tell_what_was_run() -> None:
    cases = load_cases()
    assert OWN.is_file()
    assert len({case["id"] for case in cases}) == len(cases)
    for case in cases:
        assert case["passes"], case["id"]
        assert bool(case["fails"]) == (case["kind"] == "positive"), case["id"]
        assert case["source"], case["id"]

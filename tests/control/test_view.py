"""What is shown, what counts, and what suppressions and baselines make of it."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from abiclash.control.baseline import Baseline
from abiclash.control.filters import Filters
from abiclash.control.suppressions import State, Suppression
from abiclash.control.view import everything, view
from abiclash.rules.model import Audience, Confidence, Severity
from tests.control.findings import finding

TODAY = dt.date(2026, 5, 1)
ERROR = finding("split-state", Severity.ERROR)
WARNING = finding("global-scope", Severity.WARNING, packages=("second", "third"))
NOTE = finding("search-path", Severity.NOTE, Audience.MAINTAINER, packages=("third",))
ALL = (NOTE, WARNING, ERROR)


def accept(
    *, identity: str | None = None, rule: str | None = None, packages: tuple[str, ...] = (), expires: dt.date = TODAY
) -> Suppression:
    return Suppression("abiclash.toml, suppress entry 1", "known", expires, identity, rule, frozenset(packages))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (Filters(), (ERROR, WARNING, NOTE)),
        (Filters(audience=Audience.USER), (ERROR, WARNING)),
        (Filters(severity=Severity.ERROR), (ERROR,)),
        (Filters(rules=frozenset({"search-path"})), (NOTE,)),
        (Filters(audience=Audience.USER, rules=frozenset({"search-path"})), ()),
    ],
)
def test_filters_sort_and_leave_out(shown: Filters, expected: tuple[object, ...]) -> None:
    seen = view(ALL, shown, Filters())
    assert seen.findings == expected
    assert sum(seen.hidden.values()) == len(ALL) - len(expected)


@pytest.mark.parametrize(("audience", "confidence"), list(itertools.product(Audience, Confidence)))
def test_an_error_is_shown_to_and_counts_for_everyone(audience: Audience, confidence: Confidence) -> None:
    error = finding(severity=Severity.ERROR, audience=Audience.RESEARCHER, confidence=Confidence.POSSIBLE)
    asked = Filters(confidence=confidence, audience=audience)
    seen = view([error], asked, asked)
    assert seen.findings == (error,)
    assert seen.fails(Severity.ERROR)
    assert not seen.fails(None)


def test_audiences_widen() -> None:
    told = [finding(audience=audience, packages=(audience.value,)) for audience in Audience]
    numbers = [len(view(told, Filters(audience=audience), Filters()).findings) for audience in Audience]
    assert numbers == [1, 2, 3]


def test_only_what_concerns_the_reader_counts() -> None:
    unsure = finding("odr-mismatch", confidence=Confidence.POSSIBLE)
    counted = Filters(confidence=Confidence.LIKELY, audience=Audience.USER)
    assert not view([unsure, NOTE], Filters(), counted).fails(Severity.NOTE)
    assert view([unsure, NOTE, WARNING], Filters(), counted).fails(Severity.WARNING)


@pytest.mark.parametrize(
    "suppression",
    [
        accept(identity=ERROR.id),
        accept(rule="split-state"),
        accept(rule="split-state", packages=("second",)),
        accept(rule="split-state", packages=("first", "second")),
    ],
)
def test_suppressed_finding_neither_shows_nor_counts(suppression: Suppression) -> None:
    seen = view(ALL, Filters(), Filters(), [suppression], today=TODAY)
    assert (seen.findings, seen.accepted) == ((WARNING, NOTE), (ERROR,))
    assert seen.suppressed == {ERROR.id: suppression}
    assert not seen.fails(Severity.ERROR)
    assert [(entry.state, entry.findings) for entry in seen.entries] == [(State.ACTIVE, (ERROR.id,))]


def test_expired_suppression_hides_nothing() -> None:
    old = accept(rule="split-state", expires=dt.date(2026, 4, 30))
    seen = view(ALL, Filters(), Filters(), [old], today=TODAY)
    assert seen.fails(Severity.ERROR)
    assert [(entry.state, entry.findings) for entry in seen.entries] == [(State.EXPIRED, (ERROR.id,))]


@pytest.mark.parametrize(
    "unmatched",
    [accept(rule="split-state", packages=("first", "third")), accept(identity="split-state-00000000")],
)
def test_suppression_without_a_finding_is_stale(unmatched: Suppression) -> None:
    seen = view(ALL, Filters(), Filters(), [unmatched], today=TODAY)
    assert seen.findings == (ERROR, WARNING, NOTE)
    assert [entry.state for entry in seen.entries] == [State.STALE]


def test_first_of_two_suppressions_is_told_and_neither_is_stale() -> None:
    both = [accept(identity=ERROR.id), accept(rule="split-state")]
    seen = view(ALL, Filters(), Filters(), both, today=TODAY)
    assert seen.suppressed == {ERROR.id: both[0]}
    assert [entry.state for entry in seen.entries] == [State.ACTIVE] * 2


def test_baseline_lets_new_findings_fail_only() -> None:
    known = Baseline("old.json", frozenset({ERROR.id, "soname-collision-00000000"}))
    seen = view(ALL, Filters(), Filters(), baseline=known)
    assert seen.findings == (ERROR, WARNING, NOTE)
    assert (seen.known, seen.gone) == (frozenset({ERROR.id}), ("soname-collision-00000000",))
    assert not seen.fails(Severity.ERROR)
    assert seen.fails(Severity.WARNING)


def test_everything_hides_nothing() -> None:
    seen = everything(ALL)
    assert (seen.findings, seen.counted) == ((ERROR, WARNING, NOTE),) * 2
    assert (seen.entries, seen.gone) == ((), None)

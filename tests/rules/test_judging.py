"""Orders that are called safe: no rule has an error in them, at any stage."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import split_state
from abiclash.rules.judging import concerns, erroneous, judge
from abiclash.rules.model import Confidence, Severity
from tests.reports.sample import NOTE, SPLIT_STATE
from tests.rules.harness import GLOBAL
from tests.rules.test_shared_registry import LLVM
from tests.rules.test_soname_collision import one_name_twice
from tests.rules.test_split_state import RUNTIME, USER

if TYPE_CHECKING:
    from abiclash.imports.plan import Certainty
    from tests.rules.harness import Site

ORDERS = [("pyarrow", "tensorflow"), ("tensorflow", "pyarrow"), ("pyarrow", "numpy", "tensorflow")]


def splits_when_beta_comes_first(site: Site) -> None:
    site.library("libruntime.so", RUNTIME, system=True)
    site.library("beta/libcopy.so", "int state;", needs=["libruntime.so"])
    site.library("alpha/libuser.so", USER, needs=["libruntime.so"])


@pytest.mark.compiler
def test_an_order_with_another_rules_error_is_not_safe(site: Site) -> None:
    """Each of two rules alone would send the reader into the other one's trap."""
    splits_when_beta_comes_first(site)
    one_name_twice(site)
    case = site.case()
    (alone,) = split_state.check(case)
    assert (alone.failing_order, alone.safe_order) == (("beta", "alpha"), None)  # a load fails in the other order
    errors = [finding for finding in judge(case) if finding.severity is Severity.ERROR]
    assert {(finding.rule, finding.failing_order) for finding in errors} == {
        ("soname-collision", ("alpha", "beta")),
        ("split-state", ("beta", "alpha")),
    }
    assert {finding.safe_order for finding in errors} == {None}
    assert not any(advice.checked for finding in errors for advice in finding.advice)
    (collision,) = (finding for finding in errors if finding.rule == "soname-collision")
    assert collision.advice[-1].text == (
        "Importing beta before alpha avoids this finding only: in that order the model finds another error "
        "(split-state)."
    )


@pytest.mark.compiler
def test_an_order_in_which_use_fails_is_not_safe(site: Site) -> None:
    """The imports go well in one order, and a library that is opened later does not."""
    splits_when_beta_comes_first(site)
    site.library("alpha/libshared.so.1", "int one(void) { return 1; }", open_with=None)
    site.library("alpha/liba.so", "int one(void); int ask(void) { return one(); }", needs=["alpha/libshared.so.1"])
    site.library("beta/libshared.so.1", "int two(void) { return 2; }", open_with=None)
    needy = "int two(void); int need(void) { return two(); }"
    site.library("beta/libb.so", needy, needs=["beta/libshared.so.1"], later=True)
    (finding,) = (found for found in judge(site.case()) if found.rule == "split-state")
    assert (finding.failing_order, finding.safe_order) == (("beta", "alpha"), None)


@pytest.mark.compiler
@pytest.mark.parametrize(
    ("certainty", "severity", "confidence"),
    [
        ("certain", Severity.ERROR, Confidence.CERTAIN),
        ("likely", Severity.ERROR, Confidence.CERTAIN),
        ("possible", Severity.WARNING, Confidence.POSSIBLE),
    ],
)
def test_an_error_at_import_rests_on_loads_that_are_known(
    site: Site, certainty: Certainty, severity: Severity, confidence: Confidence
) -> None:
    site.library("alpha/libone.so", LLVM, open_with=GLOBAL)
    site.library("beta/libtwo.so", LLVM)
    site.opened["beta"] = [replace(load, certainty=certainty) for load in site.opened["beta"]]
    (finding,) = (found for found in judge(site.case()) if found.rule == "shared-registry")
    assert (finding.severity, finding.confidence) == (severity, confidence)


@pytest.mark.compiler
def test_an_order_without_any_error_is_safe(site: Site) -> None:
    one_name_twice(site)
    (finding,) = (found for found in judge(site.case()) if found.severity is Severity.ERROR)
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert finding.advice[0].checked


def test_errors_by_order() -> None:
    warning = replace(SPLIT_STATE, severity=Severity.WARNING, rule="global-scope", failing_order=ORDERS[1])
    assert erroneous(ORDERS, [SPLIT_STATE, warning, NOTE]) == {ORDERS[0]: ["split-state"]}


@pytest.mark.parametrize(
    ("failing", "more", "orders"),
    [
        (ORDERS[0], [], ORDERS[:1]),
        (ORDERS[0], [list(ORDERS[2])], [ORDERS[0], ORDERS[2]]),
        (("numpy",), [], ORDERS[2:]),  # it fails by itself, so wherever it is imported
        (None, [], ORDERS),  # no order matters, so none helps
    ],
)
def test_whom_an_error_concerns(
    failing: tuple[str, ...] | None, more: list[list[str]], orders: list[tuple[str, ...]]
) -> None:
    finding = replace(SPLIT_STATE, failing_order=failing, evidence={"failing_orders": more})
    assert [order for order in ORDERS if concerns(finding, order)] == orders

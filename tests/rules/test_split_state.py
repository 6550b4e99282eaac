"""split-state: a runtime whose variable another library also has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules.model import Confidence, Severity
from abiclash.rules.split_state import check

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

RUNTIME = """
int state;
int read_state(void) { return state; }
"""
USER = """
extern int state;
int read_state(void);
int ask(void) { state = 7; return read_state(); }
"""
AT_IMPORT = USER + "__attribute__((constructor)) static void start(void) { ask(); }"


def split_state(site: Site, *, copy: str, user: str = USER) -> Site:
    """Build a runtime, a library that needs it and has `copy`, and one that sets the variable and asks for it."""
    site.library("libruntime.so", RUNTIME, system=True)
    site.library("alpha/liba.so", copy, needs=["libruntime.so"])
    site.library("beta/libb.so", user, needs=["libruntime.so"])
    return site


def test_found_in_the_order_in_which_the_copy_comes_first(site: Site) -> None:
    split_state(site, copy="int state;")
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [0]
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = check(case)
    assert finding.severity is Severity.ERROR
    assert finding.symbols == ("state",)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.failing_order == ("alpha", "beta")
    assert finding.safe_order == ("beta", "alpha")
    assert finding.objects[0] == "alpha/liba.so"
    assert "read_state" in finding.explanation
    assert any(advice.checked and "beta before alpha" in advice.text for advice in finding.advice)


def test_found_is_certain_only_where_an_initialiser_does_it(site: Site) -> None:
    split_state(site, copy="int state;", user=AT_IMPORT)
    (finding,) = check(site.case())
    assert finding.confidence in (Confidence.CERTAIN, Confidence.LIKELY)
    assert (finding.confidence is Confidence.CERTAIN) == finding.evidence["initializer"]


def test_near_miss_a_constant_of_that_name(site: Site) -> None:
    """What nobody writes cannot split: both copies hold the same."""
    site.library("libruntime.so", RUNTIME.replace("int state;", "const int state = 7;"), system=True)
    site.library("alpha/liba.so", "const int state = 7;", needs=["libruntime.so"])
    site.library(
        "beta/libb.so", USER.replace("state = 7; ", "").replace("extern", "extern const"), needs=["libruntime.so"]
    )
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(check(site.case())) == []


def test_near_miss_a_copy_that_is_not_exported(site: Site) -> None:
    split_state(site, copy='__attribute__((visibility("hidden"))) int state;')
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(check(site.case())) == []


def test_near_miss_two_users_without_a_call_between_them(site: Site) -> None:
    """The second package uses its own copy and never calls into the runtime."""
    split_state(site, copy="int state;", user="int state; int ask(void) { state = 7; return state; }")
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(check(site.case())) == []

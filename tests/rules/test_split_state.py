"""split-state: a runtime whose variable another library also has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules.model import Confidence, Severity
from abiclash.rules.split_state import check
from tests.rules.harness import GLOBAL

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


MEMBERS = """
int _ZN4Pool5emptyE;
int _ZN4Pool4readEv(void) { return _ZN4Pool5emptyE; }
int unrelated(void) { return 1; }
"""


@pytest.mark.parametrize(("call", "certain"), [("_ZN4Pool4readEv", True), ("unrelated", False)])
def test_a_member_of_a_class_is_read_by_calls_to_that_class(site: Site, call: str, certain: bool) -> None:
    """An initialiser that touches std::string's empty representation and calls no std::string harms nobody yet."""
    site.library("libruntime.so", MEMBERS, system=True)
    site.library("alpha/liba.so", "int _ZN4Pool5emptyE;", needs=["libruntime.so"])
    user = (
        "extern int _ZN4Pool5emptyE; int _ZN4Pool4readEv(void); int unrelated(void);\n"
        f"__attribute__((constructor)) static void start(void) {{ _ZN4Pool5emptyE = 7; {call}(); }}\n"
        "int ask(void) { return _ZN4Pool4readEv(); }"
    )
    site.library("beta/libb.so", user, needs=["libruntime.so"])
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [0]
    (finding,) = check(site.case())
    assert finding.failing_order == ("alpha", "beta")
    assert (finding.confidence is Confidence.CERTAIN, finding.evidence["initializer"]) == (certain, certain)


def test_near_miss_a_variable_that_each_library_sets_up_for_itself(site: Site) -> None:
    """Like std::future_category of a libstdc++ that is linked in: a pointer that only initialisers write."""
    runtime = (
        "int *category; static int own = 7; int unrelated(void) { return 1; }\n"
        "__attribute__((constructor)) static void start(void) { category = &own; }"
    )
    user = (
        "int *category; static int own = 7; int unrelated(void);\n"
        "__attribute__((constructor)) static void start(void) { unrelated(); category = &own; }\n"
        "int ask(void) { return *category; }"
    )
    site.library("libruntime.so", runtime, system=True)
    site.library("alpha/liba.so", "int *category;", needs=["libruntime.so"])
    site.library(
        "beta/first.so",
        "int unrelated(void); int first(void) { return unrelated(); }",
        needs=["libruntime.so"],
        open_with=GLOBAL,
    )
    site.library("beta/libb.so", user, needs=["libruntime.so"])
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    together = case.together[0].process.maps
    served = {
        case.basename(one): {case.basename(other) for other in case.servers(link)} for one, link in together.items()
    }
    assert "liba.so" in served["libruntime.so"]
    assert "libruntime.so" in served["libb.so"]
    assert list(check(case)) == []

"""soname-collision: two files with one name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import soname_collision, undefined_symbol
from abiclash.rules.model import Audience, Confidence, Severity
from tests.rules.refusals import modelled, refused

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

ONE = "int one(void) { return 1; }"
MORE = "int one(void) { return 2; } int two(void) { return 2; }"
ASKS_ONE = "int one(void); int ask(void) { return one(); }"
ASKS_TWO = "int two(void); int ask(void) { return two(); }"


def one_name_twice(
    site: Site, *, first: str = ONE, second: str = MORE, use: str = ASKS_TWO, name: str = "libshared.so.1"
) -> None:
    """Build two files of one name, the second with one more function, and two packages that each use their own."""
    site.library("alpha/libshared.so.1", first, open_with=None)
    site.library("alpha/liba.so", ASKS_ONE, needs=["alpha/libshared.so.1"])
    site.library(f"beta/{name}", second, open_with=None)
    site.library("beta/libb.so", use, needs=[f"beta/{name}"])


def test_found_where_the_first_file_lacks_a_function(site: Site) -> None:
    one_name_twice(site)
    case = site.case()
    (message,) = refused(site, "alpha", "beta")
    assert message.endswith("beta/libb.so: undefined symbol: two")
    assert modelled(case, "alpha", "beta") == [message]
    assert refused(site, "beta", "alpha") == modelled(case, "beta", "alpha") == []
    assert site.agrees(case, ["beta", "alpha"])

    (finding,) = soname_collision.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert set(finding.objects) == {"alpha/libshared.so.1", "beta/libshared.so.1"}
    assert finding.summary.startswith("alpha and beta bring different files named libshared.so.1")
    assert "beta then fails to load: beta/libb.so: undefined symbol: two." in finding.explanation
    assert finding.evidence["definitions_missing"] == 1
    assert finding.evidence["failing_orders"] == [["alpha", "beta"]]
    assert not finding.silent
    assert any(advice.checked and "beta, alpha" in advice.text for advice in finding.advice)
    assert list(undefined_symbol.check(case)) == []


def test_found_where_no_order_works(site: Site) -> None:
    """Each file has a function that the other lacks: still one cause and one finding."""
    one_name_twice(site, first=ONE, second="int two(void) { return 2; }")
    case = site.case()
    (first,) = refused(site, "alpha", "beta")
    (second,) = refused(site, "beta", "alpha")
    assert (modelled(case, "alpha", "beta"), modelled(case, "beta", "alpha")) == ([first], [second])
    (finding,) = soname_collision.check(case)
    assert finding.severity is Severity.ERROR
    assert (finding.failing_order, finding.safe_order) == (("beta", "alpha"), None)
    assert finding.evidence["failing_orders"] == [["beta", "alpha"], ["alpha", "beta"]]
    assert "alpha then fails to load: alpha/liba.so: undefined symbol: one." in finding.explanation
    assert "The other way round, loads of beta fail." in finding.explanation
    assert not any(advice.checked for advice in finding.advice)


def test_found_where_nothing_fails_is_a_silent_warning(site: Site) -> None:
    """Whoever comes second works with the other's file, so no order is right for both."""
    one_name_twice(site, second=ONE.replace("1", "2"), use=ASKS_ONE)
    calls = ("alpha/liba.so", "ask"), ("beta/libb.so", "ask")
    assert site.live(["alpha", "beta"], *calls).values == [1, 1]
    assert site.live(["beta", "alpha"], *calls).values == [2, 2]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = soname_collision.check(case)
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert finding.silent
    assert finding.safe_order is None
    assert finding.evidence["failing_orders"] == [["alpha", "beta"], ["beta", "alpha"]]


def test_found_a_function_that_is_missed_by_nobody_yet(site: Site) -> None:
    """Behind the smaller file a plug-in of the second package would not find what it needs."""
    one_name_twice(site, use=ASKS_ONE)
    assert refused(site, "alpha", "beta") == []
    (finding,) = soname_collision.check(site.case())
    assert finding.severity is Severity.WARNING
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert "1 definition of its own copy is missing" in finding.explanation


@pytest.mark.parametrize(("module", "severity"), [(None, Severity.WARNING), ("beta.b", Severity.ERROR)])
def test_found_what_only_use_opens_is_an_error_where_it_can_be_imported(
    site: Site, module: str | None, severity: Severity
) -> None:
    """A plugin that does not load is passed over; an extension module that does not load raises."""
    site.library("alpha/libshared.so.1", ONE, open_with=None)
    site.library("alpha/liba.so", ASKS_ONE, needs=["alpha/libshared.so.1"])
    site.library("beta/libshared.so.1", MORE, open_with=None)
    site.library("beta/b.so", ASKS_TWO, needs=["beta/libshared.so.1"], later=True)
    site.later["beta"] = [replace(load, module=module) for load in site.later["beta"]]
    (finding,) = soname_collision.check(site.case())
    assert (finding.severity, finding.confidence) == (severity, Confidence.POSSIBLE)
    assert "two" in finding.explanation


def test_found_one_for_a_pair_with_several_names(site: Site) -> None:
    one_name_twice(site)
    for package, source in (("alpha", "int other;"), ("beta", "int other; int another;")):
        site.library(f"{package}/libother.so.2", source, open_with=None)
        site.library(f"{package}/libc.so", "int nothing;", needs=[f"{package}/libother.so.2"])
    (finding,) = soname_collision.check(site.case())
    assert finding.severity is Severity.ERROR
    assert finding.evidence["sonames"] == ["libother.so.2", "libshared.so.1"]
    assert "libother.so.2 and 1 more" in finding.summary


@pytest.mark.parametrize(
    ("bundled", "severity", "said"),
    [
        (MORE.replace("2", "3"), Severity.NOTE, "beta brings a libshared.so.1 of its own, and alpha needs the host's"),
        # behind it the host's users lack a function
        (ONE, Severity.WARNING, "beta brings a libshared.so.1 of its own, and alpha needs the host's"),
        # behind the host's its own users lack a variable
        (MORE + "int three;", Severity.WARNING, "alpha loads the host's libshared.so.1, and beta brings another file"),
    ],
)
def test_found_the_hosts_file_is_a_note_where_nothing_is_missing(
    site: Site, bundled: str, severity: Severity, said: str
) -> None:
    site.library("libshared.so.1", MORE, system=True)
    site.library("alpha/liba.so", ASKS_ONE, needs=["libshared.so.1"])
    site.library("beta/libshared.so.1", bundled, open_with=None)
    site.library("beta/libb.so", ASKS_ONE, needs=["beta/libshared.so.1"])
    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    assert site.agrees(case, ["beta", "alpha"])
    (finding,) = soname_collision.check(case)
    assert finding.severity is severity
    assert finding.audience is (Audience.MAINTAINER if severity is Severity.NOTE else Audience.USER)
    assert finding.silent is (severity is Severity.WARNING)
    assert finding.summary.startswith(said)
    assert ("gets the host's file" in finding.explanation) is said.startswith("alpha")


def test_near_miss_two_copies_of_one_file(site: Site) -> None:
    one_name_twice(site, second=ONE, use=ASKS_ONE)
    assert refused(site, "alpha", "beta") == []
    assert list(soname_collision.check(site.case())) == []


def test_near_miss_a_name_of_its_own(site: Site) -> None:
    one_name_twice(site, name="libshared-0a1b2c3d.so.1")
    case = site.case()
    assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") == []
    assert list(soname_collision.check(case)) == []


def test_found_where_modules_of_python_get_a_package_s_file(site: Site) -> None:
    """Like libcrypto.so.3 of a package that is imported before the ssl module."""
    site.library("libshared.so.1", MORE, system=True)
    module = site.library("lib-dynload/_asks.so", ASKS_ONE, needs=["libshared.so.1"], system=True)
    site.library("alpha/libshared.so.1", ONE, open_with=None)
    site.library("alpha/liba.so", ASKS_ONE, needs=["alpha/libshared.so.1"])
    site.library("beta/libb.so", "int beta(void) { return 1; }")
    site.opened["beta"].append(replace(site.opened["beta"][0], path=str(module)))
    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = soname_collision.check(case)
    assert finding.severity is Severity.WARNING
    assert finding.summary.startswith("alpha brings a libshared.so.1 of its own, and Python itself needs the host's;")
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert "Python itself gets alpha's file" in finding.explanation

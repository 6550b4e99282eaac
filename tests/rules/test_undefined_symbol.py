"""undefined-symbol: a companion of another release lacks a function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import undefined_symbol
from abiclash.rules.model import Audience, Confidence, Severity
from tests.rules.harness import GLOBAL
from tests.rules.refusals import modelled, refused, within

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OLD = "int shape(void) { return 1; }"
NEW = OLD + " int shape_of(int what) { return what; }"
USER = "int shape_of(int); int ask(void) { return shape_of(7); }"


def library_and_companion(
    site: Site, *, there: str = OLD, user: str = USER, later: bool = False, versions: str | None = None
) -> None:
    """Build a library that was linked with the new release of its companion; `there` is the installed one."""
    site.library("companion/libshape.so", NEW, versions=versions)
    site.library("user/fast.so", user, needs=["companion/libshape.so"], later=later)
    site.opened["companion"].clear()
    site.library("companion/libshape.so", there, versions=versions)


def test_found_in_the_release_that_lacks_the_function(site: Site) -> None:
    library_and_companion(site)
    case = site.case()
    (message,) = refused(site, "companion", "user")
    assert message.endswith("user/fast.so: undefined symbol: shape_of")
    for order in (("companion", "user"), ("user", "companion"), ("user",)):
        assert refused(site, *order) == modelled(case, *order) == [message]

    (finding,) = undefined_symbol.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["companion", "user"]
    assert (finding.failing_order, finding.safe_order) == (("user",), None)
    assert finding.objects == ("user/fast.so",)
    assert finding.symbols == ("shape_of",)
    assert finding.evidence["message"] == within(site, message)
    assert "user/fast.so needs a symbol that nothing in the process defines" in finding.summary
    assert "built for another release of companion" in finding.explanation
    assert finding.advice[0].text == "Install releases of user and companion that belong together."


def test_found_with_a_companion_that_nobody_asked_for(site: Site) -> None:
    library_and_companion(site)
    (finding,) = undefined_symbol.check(site.case("user"))
    assert finding.severity is Severity.ERROR
    assert [package.name for package in finding.packages] == ["companion", "user"]


def test_found_in_use_only_is_a_warning(site: Site) -> None:
    library_and_companion(site, later=True)
    (finding,) = undefined_symbol.check(site.case())
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)


def test_found_with_the_version_that_was_wanted(site: Site) -> None:
    """The companion still names the version, so only the symbol is missing."""
    library_and_companion(site, versions="V1 { global: *; };\n")
    (message,) = refused(site, "user")
    assert message.endswith("undefined symbol: shape_of, version V1")
    (finding,) = undefined_symbol.check(site.case())
    assert finding.evidence["message"] == within(site, message)
    assert "shape_of (version V1)" in finding.explanation


def test_found_where_an_order_helps(site: Site) -> None:
    """The user is linked with nothing and lives on what another package put into the global scope."""
    site.library("user/fast.so", USER)
    site.library("later/more.so", "int shape_of(int); int twice(void) { return shape_of(2); }")
    site.library("host/libshape.so", NEW, open_with=GLOBAL)
    case = site.case()
    assert len(refused(site, "user", "later", "host")) == 2
    assert refused(site, "host", "user", "later") == modelled(case, "host", "user", "later") == []
    findings = list(undefined_symbol.check(case))
    assert [finding.packages[0].name for finding in findings] == ["later", "user"]
    assert {finding.severity for finding in findings} == {Severity.WARNING}
    assert [finding.failing_order for finding in findings] == [("later",), ("user",)]
    assert findings[0].safe_order is not None
    assert findings[0].safe_order.index("host") < findings[0].safe_order.index("later")


def test_near_miss_the_release_that_has_it(site: Site) -> None:
    library_and_companion(site, there=NEW)
    assert refused(site, "user", "companion") == []
    assert list(undefined_symbol.check(site.case())) == []


def test_near_miss_a_weak_reference(site: Site) -> None:
    weak = "__attribute__((weak)) int shape_of(int); int ask(void) { return shape_of ? shape_of(7) : 0; }"
    library_and_companion(site, user=weak)
    assert refused(site, "user", "companion") == []
    assert list(undefined_symbol.check(site.case())) == []


def test_a_symbol_that_no_companion_should_have_is_no_error(site: Site) -> None:
    """It fails alone, so nothing else is to blame; in use only, it may never come to it."""
    site.library("user/fast.so", USER)
    site.library("other/slow.so", USER.replace("shape", "size"), later=True)
    warning, note = sorted(undefined_symbol.check(site.case()), key=lambda each: each.packages, reverse=True)
    assert (warning.severity, warning.audience) == (Severity.WARNING, Audience.USER)
    assert (note.severity, note.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert [package.name for package in note.packages] == ["other"]

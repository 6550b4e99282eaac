"""size-mismatch: one name, two variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import Mode
from abiclash.rules import size_mismatch
from abiclash.rules.model import Severity
from tests.rules.harness import GLOBAL

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

SMALL = "int flag = 1; int next = 42; int last = 42; int look(void) { return next; }"
LARGE = """
struct { int part[6]; } flag = {{1}};
__attribute__((constructor)) static void fill(void) { for (int i = 0; i < 6; i++) flag.part[i] = 9; }
int ask(void) { return flag.part[5]; }
"""


def small_flag(site: Site, *, mode: Mode = GLOBAL) -> None:
    """A library with an int, and something behind it."""
    site.library("alpha/liba.so", SMALL, flags=["-fno-toplevel-reorder"], open_with=mode)


def large_flag(site: Site, *, source: str = LARGE) -> None:
    """A library with 24 bytes of that name, which it fills when it is loaded."""
    site.library("beta/libb.so", source)


def test_found_where_the_second_writes_beyond_the_first(site: Site) -> None:
    small_flag(site)
    large_flag(site)
    assert site.live(["alpha", "beta"], ("alpha/liba.so", "look")).values == [9]
    assert site.live(["beta", "alpha"], ("alpha/liba.so", "look")).values == [42]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = size_mismatch.check(case)
    assert finding.severity is Severity.ERROR
    assert finding.symbols == ("flag",)
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.silent
    assert "24 bytes" in finding.explanation
    assert "20 bytes" in finding.explanation


def test_near_miss_two_of_one_size(site: Site) -> None:
    small_flag(site)
    large_flag(site, source="int flag = 3; int ask(void) { return flag; }")
    assert list(size_mismatch.check(site.case())) == []


def test_near_miss_without_the_global_scope(site: Site) -> None:
    small_flag(site, mode=Mode.NOW)
    large_flag(site)
    assert site.live(["alpha", "beta"], ("alpha/liba.so", "look")).values == [42]
    assert list(size_mismatch.check(site.case())) == []


def test_near_miss_a_smaller_view(site: Site) -> None:
    """It stays within the other's variable; the rule global-scope tells of it."""
    site.library("alpha/liba.so", LARGE, open_with=GLOBAL)
    site.library("beta/libb.so", "int flag = 3; int ask(void) { return flag; }")
    assert list(size_mismatch.check(site.case())) == []


def test_what_a_package_lives_with_is_a_warning(site: Site) -> None:
    """A runtime's variable that the package replaces by a smaller one whenever it is imported, alone as well."""
    runtime = "int table[4]; int read_table(void) { return table[0]; }"
    site.library("libruntime.so", runtime, system=True)
    site.library("alpha/liba.so", "int table;", needs=["libruntime.so"])
    site.library(
        "beta/libb.so", "int read_table(void); int ask(void) { return read_table(); }", needs=["libruntime.so"]
    )
    (finding,) = size_mismatch.check(site.case())
    assert finding.severity is Severity.WARNING
    assert finding.evidence["variables"][0]["size_expected"] == 16  # type: ignore[index]

"""interposed-allocator: an operator new that is everybody's, and an operator delete that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import interposed_allocator
from abiclash.rules.model import Audience, Severity

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

RUNTIME = """
extern "C" int *make() { return new int(7); }
extern "C" void drop(int *made) { delete made; }
"""
NEW = """
#include <cstddef>
static char arena[65536];
static std::size_t used;
void *operator new(std::size_t size) { void *at = arena + used; used += (size + 15) & ~15ul; return at; }
"""
DELETE = """
void operator delete(void *) noexcept {}
void operator delete(void *, std::size_t) noexcept {}
"""
FORWARD = """
#include <cstdlib>
void *operator new(std::size_t size) { return std::malloc(size); }
"""
USER = 'extern "C" int *make(); extern "C" int ask() { int *made = make(); int was = *made; delete made; return was; }'
BOTH_IN_RUNTIME = """
extern "C" int *make(); extern "C" void drop(int *);
extern "C" int ask() { int *made = make(); int was = *made; drop(made); return was; }
"""


def half_allocator(site: Site, *, allocator: str = NEW, user: str = USER, versions: str | None = None) -> Site:
    """Build a runtime that makes objects, a library that exports an allocator, and a user who deletes them."""
    site.library("libruntime.so", RUNTIME, language="c++", system=True)
    site.library("alpha/liba.so", allocator, language="c++", needs=["libruntime.so"], versions=versions)
    site.library("beta/libb.so", user, language="c++", needs=["libruntime.so"])
    return site


def test_found_where_the_ends_do_not_meet(site: Site) -> None:
    half_allocator(site)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).exit == -6  # SIGABRT of free()
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = interposed_allocator.check(case)
    assert finding.severity is Severity.ERROR
    assert "_Znwm" in finding.symbols
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    ends = finding.evidence["ends"]
    assert {
        "allocates": str(site.paths["libruntime.so"]),
        "from": "alpha/liba.so",
        "releases": "beta/libb.so",
        "to": "the C library",
    } in ends  # type: ignore[operator]


def test_near_miss_both_ends_in_one_allocator(site: Site) -> None:
    half_allocator(site, allocator=NEW + DELETE, user=BOTH_IN_RUNTIME)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = interposed_allocator.check(site.case())
    assert finding.severity is Severity.WARNING


def test_near_miss_an_operator_new_that_hands_on_to_malloc(site: Site) -> None:
    half_allocator(site, allocator=FORWARD)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = interposed_allocator.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)


def test_near_miss_a_hidden_allocator(site: Site) -> None:
    half_allocator(site, versions="{ local: *; };")
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(interposed_allocator.check(site.case())) == []

"""odr-mismatch: two classes of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import odr_mismatch
from abiclash.rules.model import Audience, Severity
from tests.rules.harness import GLOBAL

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

TWO = """
struct Shape { virtual int area() { return 1; } virtual int corners() { return 2; } };
extern "C" int first() { Shape *volatile shape = new Shape; return shape->corners(); }
"""
THREE = """
struct Shape {
    virtual int area() { return 1; }
    virtual int corners() { return 2; }
    virtual int colour() { return 7; }
};
extern "C" int ask() { Shape *volatile shape = new Shape; return shape->colour(); }
"""


def other_table(site: Site, *, second: str = THREE, first: str = TWO) -> Site:
    """Build two libraries with a class of one name; the first goes into the global scope."""
    site.library("alpha/liba.so", first, language="c++", open_with=GLOBAL)
    site.library("beta/libb.so", second, language="c++")
    return site


def test_found_a_virtual_table_of_other_length(site: Site) -> None:
    other_table(site)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values != [7]
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]
    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = odr_mismatch.check(case)
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.RESEARCHER)
    assert "_ZTV5Shape" in finding.symbols
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))


def test_near_miss_the_same_class(site: Site) -> None:
    other_table(site, first=THREE)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(odr_mismatch.check(site.case())) == []


def test_near_miss_the_same_source_otherwise_compiled(site: Site) -> None:
    site.library("alpha/liba.so", THREE, language="c++", open_with=GLOBAL, flags=["-O0"])
    site.library("beta/libb.so", THREE, language="c++")
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = odr_mismatch.check(site.case())
    assert finding.severity is Severity.NOTE
    assert finding.failing_order is None

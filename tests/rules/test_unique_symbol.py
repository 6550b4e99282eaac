"""unique-symbol: static variables of inline functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import unique_symbol
from abiclash.rules.model import Audience, Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

SMALL = 'inline int &counter() { static int n; return n; } extern "C" int count() { return ++counter(); }'
BIG = """
inline int &counter() { static int n[16]; n[15] = 1; return n[0]; }
extern "C" int count() { return ++counter(); }
"""


def unique_state(site: Site, *, second: str = SMALL, flags: Sequence[str] = ()) -> Site:
    """Build two libraries with a counter in an inline function."""
    site.library("alpha/liba.so", SMALL, language="c++", flags=flags)
    site.library("beta/libb.so", second, language="c++", flags=flags)
    return site


def unique_size(site: Site) -> Site:
    """The same, but the second one's has 64 bytes."""
    return unique_state(site, second=BIG)


CALLS = (("alpha/liba.so", "count"), ("beta/libb.so", "count"))


def test_found_shared_state(site: Site) -> None:
    unique_state(site)
    assert site.live(["alpha", "beta"], *CALLS).values == [1, 2]
    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = unique_symbol.check(case)
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)
    assert finding.symbols == ("_ZZ7countervE1n",)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.failing_order is None


def test_found_other_size_is_a_warning(site: Site) -> None:
    unique_size(site)
    (finding,) = unique_symbol.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.USER)
    assert finding.failing_order == ("alpha", "beta")
    assert finding.evidence["sizes"][0]["size_expected"] == 64  # type: ignore[index]
    assert finding.evidence["sizes"][0]["size_found"] == 4  # type: ignore[index]


def test_near_miss_without_unique_symbols(site: Site) -> None:
    unique_state(site, flags=["-fno-gnu-unique"])
    assert site.live(["alpha", "beta"], *CALLS).values == [1, 1]
    assert list(unique_symbol.check(site.case())) == []


def test_near_miss_one_package_with_two_libraries(site: Site) -> None:
    site.library("alpha/liba.so", SMALL, language="c++")
    site.library("alpha/libb.so", SMALL, language="c++")
    site.library("beta/libc.so", "int nothing;")
    assert list(unique_symbol.check(site.case())) == []


STREAMS = """
#include <sstream>
extern "C" int digits() { std::ostringstream text; text << 12.5; return text.str().size(); }
"""
EARLY = STREAMS + "static int early = digits();"
STATIC = ("-static-libstdc++", "-Wl,--whole-archive", "-l:libstdc++.a", "-Wl,--no-whole-archive")


def whole_runtime(site: Site, *flags: str, user: str = STREAMS, later: bool = False) -> None:
    """Build a library with all of libstdc++ in it, and one that uses the system's."""
    site.library("alpha/liba.so", EARLY, language="c++", flags=(*STATIC, *flags))
    site.library("beta/libb.so", user, language="c++", later=later)


def test_found_two_copies_of_libstdcxx_that_share_half(site: Site) -> None:
    whole_runtime(site, user=EARLY)
    alpha, beta = ("alpha/liba.so", "digits"), ("beta/libb.so", "digits")
    assert site.live(["alpha", "beta"], alpha, beta).values == [4, 0]
    assert site.live(["beta", "alpha"], beta, alpha).values == [4, 0]
    (finding,) = (f for f in unique_symbol.check(site.case()) if "copies of libstdc++" in f.summary)
    assert (finding.severity, finding.audience, finding.silent) == (Severity.ERROR, Audience.USER, True)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), None)
    assert finding.objects[0] == "alpha/liba.so"
    assert "_ZNSt7collateIcE2idE" in finding.symbols


@pytest.mark.parametrize("later", [False, True])
def test_found_what_no_initialiser_asks_for_is_a_warning(site: Site, *, later: bool) -> None:
    whole_runtime(site, later=later)
    (finding,) = (f for f in unique_symbol.check(site.case()) if "copies of libstdc++" in f.summary)
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)
    assert finding.evidence["failing_orders"] == [["alpha", "beta"], ["beta", "alpha"]]


def test_near_miss_the_copy_is_hidden(site: Site) -> None:
    whole_runtime(site, "-Wl,--exclude-libs,ALL")
    digits = (("alpha/liba.so", "digits"), ("beta/libb.so", "digits"))
    assert site.live(["alpha", "beta"], *digits).values == [4, 4]
    assert [f for f in unique_symbol.check(site.case()) if "copies of libstdc++" in f.summary] == []


def test_near_miss_the_system_s_copy_is_not_asked_for_facets(site: Site) -> None:
    whole_runtime(site, user='#include <vector>\nextern "C" int digits() { return std::vector<int>(4).size(); }')
    alpha, beta = ("alpha/liba.so", "digits"), ("beta/libb.so", "digits")
    assert site.live(["beta", "alpha"], beta, alpha).values == [4, 4]
    assert [f for f in unique_symbol.check(site.case()) if "copies of libstdc++" in f.summary] == []

"""unwinder: a piece of the exception machinery that is somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import unwinder
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OTHER = """
static volatile int log;
extern "C" unsigned long _Unwind_GetIPInfo(void *, int *) { %s return 0; }
""" % " ".join(f"log = {n};" for n in range(40))  # noqa: UP031 - braces
USER = 'extern "C" int ask() { try { throw 7; } catch (int thrown) { return thrown; } }'


def half_unwinder(site: Site, *, copy: str = OTHER, flags: Sequence[str] = ()) -> Site:
    """Build a library that has one function of the unwinder, and one that throws."""
    site.library("alpha/liba.so", copy, language="c++", flags=["-Wl,--no-as-needed", "-lstdc++", *flags])
    site.library("beta/libb.so", USER, language="c++")
    return site


def test_found_a_part_of_the_unwinder(site: Site) -> None:
    half_unwinder(site)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).exit == -6  # std::terminate
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = unwinder.check(case)
    assert finding.severity is Severity.WARNING
    assert finding.symbols == ("_Unwind_GetIPInfo",)
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert [package.name for package in finding.packages] == ["alpha", "beta"]


def test_near_miss_a_hidden_copy(site: Site) -> None:
    half_unwinder(site, copy=OTHER.replace('extern "C" ', 'extern "C" __attribute__((visibility("hidden"))) '))
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert list(unwinder.check(site.case())) == []


def test_near_miss_the_whole_unwinder_of_the_same_compiler(site: Site) -> None:
    """Exported by accident: the same code as the system's, so exceptions work."""
    whole = ["-static-libgcc", "-Wl,--whole-archive", "-lgcc_eh", "-Wl,--no-whole-archive"]
    half_unwinder(site, copy="int nothing;", flags=whole)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert all(finding.severity is Severity.NOTE for finding in unwinder.check(site.case()))

"""A conflict made of text, played once for all tests of the graph.

Both packages need the system's librt.so. `first` exports a `state` of its own, of another size, which captures
librt's reference when `first` is imported first; `second` uses librt's. Both bring a libx.so of their own and the
weak `both`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules.registry import rules
from tests.rules.harness import Site

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding
    from tests.support import Builder


@pytest.fixture
def site(builder: Builder, tmp_path: Path) -> Site:
    site = Site(builder, tmp_path)
    site.library("librt.so", "int state[2]; int *get(void) { return state; }", system=True)
    weak = "__attribute__((weak)) int both(void) { return 1; }"
    site.library("first/libx.so", "int x1;", open_with=None)
    site.library("second/libx.so", "int x2;", open_with=None)
    site.library(
        "first/_f.so",
        f"int *get(void); int state[4]; {weak} int f(void) {{ return get() == state; }}",
        needs=["librt.so", "first/libx.so"],
    )
    site.library(
        "second/_s.so",
        f"extern int state[2]; int *get(void); {weak} int s(void) {{ *get() = 1; return state[0]; }}",
        needs=["librt.so", "second/libx.so"],
    )
    return site


@pytest.fixture
def case(site: Site) -> Case:
    return site.case("first", "second")


@pytest.fixture
def findings(case: Case) -> list[Finding]:
    return [finding for rule in rules() for finding in rule.check(case)]

"""exported-symbols: what extension modules show besides PyInit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import exported_symbols
from abiclash.rules.model import Audience

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler


def exports(count: int) -> str:
    return "".join(f"void helper_{at}(void) {{}}\n" for at in range(count)) + "void *PyInit_core(void) { return 0; }\n"


def test_found_an_extension_module_that_exports_a_hundred_functions(site: Site) -> None:
    site.library("alpha/core.so", exports(100))
    site.library("beta/core.so", exports(3), soname="beta.so")
    (finding,) = exported_symbols.check(site.case())
    assert [package.name for package in finding.packages] == ["alpha"]
    assert finding.audience is Audience.MAINTAINER
    assert finding.evidence["exported"] == 100
    assert finding.evidence["also_in"] == {"beta": 3}


def test_near_miss_a_version_script(site: Site) -> None:
    site.library("alpha/core.so", exports(100), versions="{ global: PyInit_*; local: *; };")
    assert list(exported_symbols.check(site.case())) == []

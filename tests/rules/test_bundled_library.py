"""bundled-library: names of the libraries in a wheel."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import bundled_library
from abiclash.rules.model import Audience, Severity

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

ZLIB = "int inflateInit2_(void) { return 0; }"


def in_wheel(case: Case, site: Site) -> Case:
    """Return the case with objects named as in a wheel: relative to site-packages."""
    root = str(site.folder / "site-packages") + "/"
    packages = {
        name: replace(
            package,
            wheel=replace(
                package.wheel,
                objects=tuple(replace(o, path=o.path.removeprefix(root)) for o in package.wheel.objects),
            ),
        )
        for name, package in case.packages.items()
    }
    return replace(case, packages=packages)


def test_found_a_bundled_library_with_its_plain_name(site: Site) -> None:
    site.library("alpha/alpha.libs/libz.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert finding.evidence["cause"] == "plain"


def test_found_a_library_that_was_renamed_twice(site: Site) -> None:
    site.library("alpha/alpha.libs/libz-040039e1-0352e75f.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert finding.evidence["cause"] == "rehashed"


def test_found_a_library_that_is_there_twice(site: Site) -> None:
    site.library("alpha/one/libz-11111111.so.1", ZLIB)
    site.library("alpha/two/libz-22222222.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert finding.evidence["cause"] == "twice"
    assert len(finding.objects) == 2


@pytest.mark.parametrize("path", ["alpha/alpha.libs/libz-11111111.so.1", "zlib/libzlib.so", "alpha/libalpha.so"])
def test_near_miss_a_unique_name_or_the_projects_own(site: Site, path: str) -> None:
    site.library(path, ZLIB if "z" in path else "int a;")
    assert list(bundled_library.check(in_wheel(site.case(), site))) == []

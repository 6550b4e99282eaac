"""duplicate-runtime: a C++ runtime that a package carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import duplicate_runtime
from abiclash.rules.model import Audience, Severity

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

STREAMS = "#include <iostream>\nvoid work() { std::cout << 1; }\n"
STATIC = ("-static-libstdc++", "-Wl,--whole-archive", "-l:libstdc++.a", "-Wl,--no-whole-archive")


def whole_runtime(site: Site, *flags: str) -> None:
    """Build a library with all of libstdc++ in it."""
    site.library("alpha/libwork.so", STREAMS, language="c++", flags=(*STATIC, *flags))


def test_found_a_whole_libstdcxx_that_is_exported(site: Site) -> None:
    whole_runtime(site)
    (finding,) = (f for f in duplicate_runtime.check(site.case()) if f.evidence["runtime"] == "libstdc++")
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert list(dict(finding.evidence)["copies"].values()) == ["static, exported"]  # type: ignore[attr-defined]


def test_near_miss_a_copy_that_is_hidden(site: Site) -> None:
    whole_runtime(site, "-Wl,--exclude-libs,ALL")
    assert list(duplicate_runtime.check(site.case())) == []


def test_a_copy_with_a_hash_in_its_name_is_no_work_for_a_maintainer(site: Site) -> None:
    site.library("alpha/libwork.so", "int work;")
    [package] = site.case().packages.values()
    names = {"bundled": Audience.RESEARCHER, "bundled with its plain name": Audience.MAINTAINER}
    for kind, audience in names.items():
        assert duplicate_runtime._finding(package, "libgfortran", {"libgfortran.so": kind}).audience is audience

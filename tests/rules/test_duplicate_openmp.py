"""duplicate-openmp: runtimes that want to be alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import duplicate_openmp
from abiclash.rules.model import Audience, Confidence, Severity

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OMP = "void __kmpc_fork_call(void) {} int omp_get_max_threads(void) { return 1; }"
GOMP = "void GOMP_parallel(void) {}"
USES = "void __kmpc_fork_call(void); void work(void) { __kmpc_fork_call(); }"


def two_runtimes(site: Site, first: str, second: str, source: str = OMP, uses: str = USES) -> Case:
    for package, soname in (("alpha", first), ("beta", second)):
        site.library(f"{package}/{soname}", source, open_with=None)
        site.library(f"{package}/libwork_{package}.so", uses, needs=[f"{package}/{soname}"])
    return site.case()


def test_found_two_exclusive_runtimes_that_are_used(site: Site) -> None:
    (finding,) = duplicate_openmp.check(two_runtimes(site, "libiomp5-1.so", "libiomp5-2.so"))
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.evidence["failing_orders"] == [["alpha", "beta"], ["beta", "alpha"]]


def test_found_one_soname_keeps_them_single(site: Site) -> None:
    """Only one of them is loaded, so nothing fails; opening both by path would."""
    (finding,) = duplicate_openmp.check(two_runtimes(site, "libiomp5.so", "libiomp5.so"))
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.failing_order is None


def test_found_copies_of_libgomp_are_a_note(site: Site) -> None:
    uses = USES.replace("__kmpc_fork_call", "GOMP_parallel")
    (finding,) = duplicate_openmp.check(two_runtimes(site, "libgomp-1.so.1", "libgomp-2.so.1", GOMP, uses))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)


def test_near_miss_one_package_brings_it(site: Site) -> None:
    site.library("alpha/libiomp5.so", OMP)
    site.library("beta/libwork.so", "void work(void) {}")
    assert list(duplicate_openmp.check(site.case())) == []

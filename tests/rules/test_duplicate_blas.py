"""duplicate-blas: several libraries with threads of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import duplicate_blas
from abiclash.rules.model import Audience, Severity

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

BLAS = "char *openblas_get_config(void) { return 0; } void dgemm_(void) {}"


def two_copies(site: Site) -> None:
    """Build one library for each of two packages."""
    site.library("alpha/libopenblas-1.so", BLAS)
    site.library("beta/libopenblas-2.so", BLAS)


def test_found_two_blas_libraries_are_a_note(site: Site) -> None:
    two_copies(site)
    (finding,) = duplicate_blas.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)
    assert set(finding.objects) == {"alpha/libopenblas-1.so", "beta/libopenblas-2.so"}


def test_near_miss_one_blas(site: Site) -> None:
    site.library("alpha/libopenblas-1.so", BLAS)
    site.library("beta/libwork.so", "void dgemm(void) {}")
    assert list(duplicate_blas.check(site.case())) == []

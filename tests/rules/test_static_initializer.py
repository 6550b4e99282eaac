"""static-initializer: what runs when a library is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import static_initializer
from abiclash.rules.model import Audience, Severity

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

RUNTIME = "int enter(void) { return 1; }"
STARTS = "int enter(void); __attribute__((constructor)) static void start(void) { enter(); }"


def constructor_that_calls(site: Site) -> None:
    """Build a library whose constructor calls into another one."""
    site.library("libruntime.so", RUNTIME, system=True)
    site.library("alpha/libwork.so", STARTS, needs=["libruntime.so"])


def test_found_an_initialiser_that_calls_another_library(site: Site) -> None:
    constructor_that_calls(site)
    (finding,) = static_initializer.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)
    assert dict(finding.evidence)["references"] == {"libruntime.so": 1}


def test_near_miss_an_initialiser_that_calls_nobody(site: Site) -> None:
    site.library("alpha/libwork.so", "static int a; __attribute__((constructor)) static void start(void) { a = 1; }")
    references = [dict(finding.evidence)["references"] for finding in static_initializer.check(site.case())]
    assert all("libruntime.so" not in calls for calls in references)  # type: ignore[operator]

"""load-side-effect: what loading does to the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import load_side_effect
from abiclash.rules.model import Audience, Confidence

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

HANDLER = "#include <signal.h>\nstatic void on(int number) {}\n"


def handler_at_load(site: Site) -> None:
    """Build a library whose constructor takes a signal."""
    text = HANDLER + "__attribute__((constructor)) static void start(void) { signal(SIGUSR1, on); }"
    site.library("alpha/libwork.so", text)


def test_found_a_signal_handler_that_loading_installs(site: Site) -> None:
    handler_at_load(site)
    (finding,) = load_side_effect.check(site.case())
    assert (finding.audience, finding.confidence) == (Audience.RESEARCHER, Confidence.CERTAIN)
    assert list(dict(finding.evidence)["at_load"]) == ["sets signal handlers"]  # type: ignore[call-overload]


def test_found_a_signal_handler_that_a_call_installs(site: Site) -> None:
    site.library("alpha/libwork.so", HANDLER + "void start(void) { signal(SIGUSR1, on); }")
    (finding,) = load_side_effect.check(site.case())
    assert finding.confidence is Confidence.POSSIBLE


def test_found_a_library_that_stays(site: Site) -> None:
    site.library("alpha/libwork.so", "int a;", flags=["-Wl,-z,nodelete"])
    (finding,) = load_side_effect.check(site.case())
    assert list(dict(finding.evidence)["at_load"]) == ["never unloaded (NODELETE)"]  # type: ignore[call-overload]


def test_near_miss_nothing_of_the_kind(site: Site) -> None:
    site.library("alpha/libwork.so", "int a;")
    assert list(load_side_effect.check(site.case())) == []

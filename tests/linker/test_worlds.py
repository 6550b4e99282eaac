"""Random link worlds, judged by ld.so: every binding, every failure with its message, every promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from tests.linker.assembly import X86_64
from tests.linker.predicted import explained
from tests.linker.worlds import link_worlds, play

if TYPE_CHECKING:
    from tests.linker.judge import Judge
    from tests.linker.worlds import LinkWorld

pytestmark = pytest.mark.compiler
_CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(world=link_worlds())
@settings(_CALM, max_examples=30, derandomize=True)
def test_random_worlds_load_as_predicted(judge: Judge, world: LinkWorld) -> None:
    """The same thirty worlds each time: a failure here is a regression. What --why says must lead to each binding."""
    process = play(world, judge, X86_64).agree().process
    explained(process)


@pytest.mark.slow
@given(world=link_worlds())
@settings(_CALM, max_examples=500)
def test_many_random_worlds_load_as_predicted(judge: Judge, world: LinkWorld) -> None:
    """New worlds each time."""
    play(world, judge, X86_64).agree()

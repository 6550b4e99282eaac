"""Progress as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.cli.lines import EVERY, Lines

if TYPE_CHECKING:
    import pytest


def test_a_line_now_and_then_with_rate_and_remaining_time(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with Lines(lambda: now[0]).task("playing pairs", 100) as task:
        task.advance(10)
        now[0] = EVERY
        task.advance(20)
        now[0] = EVERY + 1
        task.advance(70)
    assert capsys.readouterr().err.splitlines() == [
        "abiclash: playing pairs: 30 of 100, 1/s, 70 s left",
        "abiclash: playing pairs: 100 of 100, 3.2/s",
    ]

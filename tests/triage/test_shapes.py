"""Crash texts in the shapes that bug reports have them in: RULE.SHAPE.txt, of which the rule is to be named first."""

from __future__ import annotations

from pathlib import Path

import pytest

from abiclash.triage.causes import causes
from abiclash.triage.crash import read

TEXTS = sorted((Path(__file__).parent / "texts").glob("*.txt"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_the_first_cause(path: Path) -> None:
    crash = read(path.read_text())
    assert crash.understood
    assert next((cause.rule for cause in causes(crash)), "none") == path.name.partition(".")[0]


def test_frames_of_gdb_that_are_broken_over_lines() -> None:
    crash = read((Path(__file__).parent / "texts" / "split-state.gdb-once.txt").read_text())
    assert [frame.object.rpartition("/")[2][:8] for frame in crash.native] == ["", "", "_message"]

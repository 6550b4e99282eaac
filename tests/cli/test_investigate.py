"""What `abiclash investigate` refuses, and how it says what it does before it does it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.cli.app import run
from abiclash.cli.status import CANNOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either packages to install, or --env"),
        (["a", "--env", "folder"], "give either packages to install, or --env"),
        (["--env", "folder"], "say what to run"),
    ],
)
def test_unclear_requests_are_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["investigate", *arguments]) == CANNOT
    assert said in capsys.readouterr().err


def test_it_says_first_that_it_runs_foreign_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(
        ["investigate", "--env", str(tmp_path), "--python", sys.executable, "--import", "json", "--no-rules"],
    )
    assert status == CANNOT  # tmp_path is no environment
    assert capsys.readouterr().err.startswith("abiclash: investigate runs the packages' own code on this machine")

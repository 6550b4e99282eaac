"""Run the cases' programs: what was predicted to fail fails, what was predicted to work works.

This installs packages of the case into an environment that is thrown away, and runs their code, in child processes
without network. It takes hours and some gigabytes, so it runs only where both marks are asked for:

    python -m pytest -m "gauntlet and slow" tests/gauntlet/test_verified.py

Add `-k tf113` for one case. At its end it prints the table of docs/gauntlet.md.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abiclash.errors import LabError
from abiclash.lab.environments import find_python, make_environment
from abiclash.lab.run import Limits, Run, run_child
from tests.gauntlet.cases import judge, load_cases, requirements
from tests.support.require import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.lab.environments import Environment
    from tests.gauntlet.conftest import Tally

TRIES = 5
"""Some conflicts crash in four runs of five; one failing run is what the prediction is about."""

_LACKING = re.compile(r"ModuleNotFoundError: No module named '\w+'\n$")
"""Some of the recorded programs also imported packages that are not the case's own."""

pytestmark = [pytest.mark.gauntlet, pytest.mark.slow, pytest.mark.index]


@pytest.fixture
def display() -> Iterator[str]:
    """An X server without a screen, for the cases that open a window."""
    server = shutil.which("Xvfb")
    if server is None:
        missing("display", "Xvfb is not installed")
    number = f":{90 + os.getpid() % 900}"
    with subprocess.Popen([server, number, "-nolisten", "tcp"], stderr=subprocess.DEVNULL) as process:
        yield number
        process.terminate()


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: str(case["id"]))
def test_prediction(case: dict[str, Any], tally: Tally, request: pytest.FixtureRequest) -> None:
    window = any("QApplication" in program for program in case["fails"])
    environ = {"DISPLAY": request.getfixturevalue("display")} if window else {}
    judged = judge(case)
    finding = judged.finding() if case["kind"] == "positive" else None
    predicted = f"{finding.rule}: {', '.join(finding.failing_order or ())}" if finding else "nothing"
    environment = _environment(case)
    try:
        bad = [_fails(environment, program, case["expected"], environ) for program in case["fails"]]
        good = [_run(environment, program, environ) for program in case["passes"]]
    finally:
        environment.remove()
    observed = [
        *(
            f"{outcome} ({', '.join(judged.order_of(program))})"
            for program, outcome in zip(case["fails"], bad, strict=True)
        )
    ]
    works = [run.exit == 0 for run in good if not _LACKING.search(run.stderr)]
    observed.append(f"{sum(works)} of {len(works)} other programs work")
    day = dt.datetime.now(tz=dt.UTC).date()
    tally.rows.append(f"| {case['id']} | {predicted} | {'; '.join(observed)} | {day} |")
    assert "works" not in bad
    assert works
    assert all(works), [(run.exit, run.stderr[-500:]) for run in good if run.exit]
    assert (finding is not None) == (case["kind"] == "positive" and "missed" not in case)


def _environment(case: dict[str, Any]) -> Environment:
    folder = Path(tempfile.mkdtemp(prefix="abiclash-gauntlet-"))
    try:
        return make_environment(requirements(case), find_python(case["python"]), folder)
    except LabError as error:
        missing("index", f"{case['id']}: {error}")


def _fails(environment: Environment, program: str, expected: str, environ: dict[str, str]) -> str:
    """Run a program until it fails, and tell how it ended."""
    outcome = "works"
    for _ in range(TRIES):
        run = _run(environment, program, environ)
        outcome = _outcome(run, expected)
        if outcome != "works":
            break
    return outcome


def _outcome(run: Run, expected: str) -> str:
    """Tell how a program ended. An effect that ends nothing shows as the last word of what was expected on stdout."""
    if run.timed_out:
        return "hangs"
    if run.exit == 0:
        told = re.match(r"exit 0:.* ([A-Z]+-[A-Z]+)$", expected.strip(), re.DOTALL)
        return told[1] if told and told[1] in run.stdout else "works"
    return run.signal or f"exit status {run.exit}"


def _run(environment: Environment, program: str, environ: dict[str, str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        command = [environment.python, "-W", "ignore", "-c", program]
        return run_child(command, Path(name), limits=Limits(300.0), environ=environ)

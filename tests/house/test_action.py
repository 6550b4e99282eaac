"""The action's step and the hooks: run by hand with a stand-in for abiclash."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from abiclash.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["SEEN"], "a") as seen:
    seen.write(json.dumps(sys.argv[1:]) + "\\n")
sys.exit(int(os.environ["STATUS"]))
"""


def _run(folder: Path, status: int, **inputs: str) -> tuple[int, list[list[str]], str]:
    program = folder / "abiclash-venv" / "bin" / "abiclash"
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN)
    program.chmod(0o755)
    seen, output = folder / "seen", folder / "output"
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(output)}
    environment |= {"SEEN": str(seen), "STATUS": str(status)}
    environment |= {f"ABICLASH_{name.upper()}": text for name, text in inputs.items()}
    done = subprocess.run([ROOT / ".github" / "action.sh"], env=environment, cwd=folder, check=False)
    calls = [json.loads(line) for line in seen.read_text().splitlines()] if seen.exists() else []
    return done.returncode, calls, output.read_text() if output.exists() else ""


@pytest.mark.parametrize(("status", "becomes"), [(0, 0), (1, 1), (3, 0)])
def test_a_scan_is_shown_and_written(tmp_path: Path, status: int, becomes: int) -> None:
    code, calls, output = _run(tmp_path, status, targets="numpy\nscipy", requirements="a.txt b.txt", python="3.12")
    words = ["scan", "numpy", "scipy", "--fail-on", "error", "--python", "3.12", "-r", "a.txt", "-r", "b.txt"]
    assert (code, calls) == (becomes, [words, [*words, "--format", "sarif", "-o", "abiclash-report.sarif"]])
    assert output == f"status={status}\nreport=abiclash-report.sarif\n"


def test_wheels_are_expanded_and_checked(tmp_path: Path) -> None:
    (tmp_path / "a-1.whl").touch()
    (tmp_path / "b-1.whl").touch()
    code, calls, _ = _run(tmp_path, 0, command="check", targets="*.whl", against="numpy, pandas")
    assert code == 0
    assert calls[0] == ["check", "a-1.whl", "b-1.whl", "--against", "numpy, pandas"]
    assert calls[1][-4:] == ["--format", "sarif", "-o", "abiclash-report.sarif"]


def test_inputs_are_no_commands(tmp_path: Path) -> None:
    _, calls, _ = _run(tmp_path, 0, targets="$(touch pwned) ;touch pwned `touch pwned`", format="none")
    assert len(calls) == 1
    assert not (tmp_path / "pwned").exists()
    assert _run(tmp_path / "other", 0, command="verify")[0] == 2


def test_what_could_not_be_done_leaves_no_report(tmp_path: Path) -> None:
    code, calls, output = _run(tmp_path, 2, targets="nothing")
    assert (code, len(calls), output) == (2, 1, "status=2\nreport=\n")


def test_every_input_reaches_the_step() -> None:
    text = (ROOT / "action.yml").read_text()
    inputs = re.findall(r"^  ([a-z-]+):\n    description", text.partition("\noutputs:")[0], re.MULTILINE)
    script = (ROOT / ".github" / "action.sh").read_text()
    for name in inputs:
        variable = f"ABICLASH_{name.upper().replace('-', '_')}"
        assert f"{variable}: ${{{{ inputs.{name}" in text, name
        assert f"{{{variable}" in script, name


def test_hooks_call_commands_that_exist() -> None:
    entries = re.findall(r"^  entry: abiclash (\S+)", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE)
    assert entries == ["scan", "env", "check"]
    assert set(entries) <= COMMANDS.keys()

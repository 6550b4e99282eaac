"""The house rules that tools can hold."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_rooms_import_downwards_only() -> None:
    pytest.importorskip("importlinter")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_every_module_has_a_floor() -> None:
    """A new top-level module must be given its place in the layers."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(contract["layers"] for contract in linter["contracts"] if contract["type"] == "layers")
    placed = set(re.findall(r"abiclash\.(\w+)", " ".join(layers)))
    modules = {path.stem for path in (ROOT / "src" / "abiclash").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert modules - placed - {"__init__", "__main__", "__pycache__"} == set()


def test_readme_links_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_exit_statuses_agree_in_readme_and_docs() -> None:
    rows = [
        re.findall(r"^\| (\d+) \| (.+?) \|$", (ROOT / name).read_text(), re.MULTILINE)
        for name in ("README.md", "docs/exit-codes.md")
    ]
    assert [[status for status, _ in table] for table in rows] == [["0", "1", "2", "3"], ["0", "1", "2", "3", "130"]]


def test_actions_are_pinned_by_hash() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        uses = re.findall(r"uses: (\S+)", workflow.read_text())
        assert uses
        assert [use for use in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", use)] == []


def test_ci_ends_with_the_test_command_of_the_readme() -> None:
    last = (ROOT / ".ci" / "run").read_text().splitlines()[-1]
    assert last.startswith("python -m pytest")
    assert ".venv/bin/python -m pytest\n" in (ROOT / "README.md").read_text()

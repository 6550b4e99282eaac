"""What is released: built twice it is the same, and its bill of materials is one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PARTS = ("src", "corpora", "docs", "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml")


def _built(folder: Path, umask: int, moment: float) -> dict[str, str]:
    """Build from a copy of the sources with other times and permissions; return file name -> sha256."""
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, folder / part)
    for path in folder.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (moment, moment))
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "out")]
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "out").iterdir())}


def test_built_twice_it_is_the_same(tmp_path: Path) -> None:
    one = _built(tmp_path / "one", 0o022, 1_500_000_000)
    assert [Path(name).suffix for name in one] == [".whl", ".gz"]
    assert _built(tmp_path / "two", 0o002, 1_700_000_000) == one


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_bill_of_materials() -> None:
    command = [sys.executable, str(ROOT / ".ci/sbom.py"), "abiclash"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    document = json.loads(done.stdout)
    assert document["metadata"]["component"]["name"] == "abiclash"
    names = {component["name"] for component in document["components"]}
    assert {"numpy", "pyelftools", "httpx", "httpcore"} <= names, "dependencies of dependencies too"
    assert "pytest" not in names
    assert done.stdout == subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def _wanted(groups: dict[str, list[Any]], name: str) -> list[str]:
    """Return the requirements of a dependency group, with those of the groups that it includes."""
    own = [entry for entry in groups[name] if isinstance(entry, str)]
    included = [entry["include-group"] for entry in groups[name] if isinstance(entry, dict)]
    return own + [text for group in included for text in _wanted(groups, group)]


def test_what_ci_installs_is_pinned_by_hash() -> None:
    """After a change of dependencies: run the command in the second line of .ci/requirements.txt."""
    text = (ROOT / ".ci/requirements.txt").read_text()
    pins = dict(line.split(" ")[0].split("==") for line in text.splitlines() if "==" in line and line[0].isalpha())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = list(project["project"]["dependencies"]) + project["build-system"]["requires"]
    for group in ("test", "check", "browser", "audit"):
        wanted += _wanted(project["dependency-groups"], group)
    for requirement in map(Requirement, wanted):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, requirement
        assert requirement.specifier.contains(version), (requirement, version)
    assert text.count("--hash=sha256:") > len(pins)

"""What is released: built twice it is the same, and its bill of materials is one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

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

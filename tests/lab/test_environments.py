"""Throw-away environments, from wheels made of text: no index is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import LabError
from abiclash.lab.environments import find_python, make_environment
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")


def answer(python: str, code: str) -> str:
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_an_environment_holds_what_was_asked_for_and_is_made_once(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo.py": "ANSWER = 42\n"}, tag="py3-none-any")
    made = make_environment([str(wheel)], sys.executable, tmp_path / "cache")
    assert answer(made.python, "import demo; print(demo.ANSWER)") == "42"
    assert [pin.partition(" ")[0].partition("=")[0] for pin in made.pins] == ["demo"]
    assert made.site_packages.joinpath("demo.py").is_file()
    marker = made.site_packages / "mark"
    marker.touch()
    assert make_environment([str(wheel)], sys.executable, tmp_path / "cache") == made
    assert marker.exists()
    made.remove()
    assert not made.path.exists()


def test_what_was_left_half_made_is_made_again(tmp_path: Path) -> None:
    made = make_environment([], sys.executable, tmp_path)
    (made.path / "abiclash-environment.json").unlink()
    (made.path / "bin/python").unlink()
    again = make_environment([], sys.executable, tmp_path)
    assert again == made
    assert answer(again.python, "print(1)") == "1"
    assert json.loads((made.path / "abiclash-environment.json").read_text())["pins"] in ([], [""])


def test_equal_wheels_have_one_hash_wherever_they_lie(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo.py": "x = 1\n"}, tag="py3-none-any")
    other = make_wheel(tmp_path / "other", {"demo.py": "x = 2\n"}, tag="py3-none-any")
    here = make_environment([str(wheel)], sys.executable, tmp_path / "one")
    answer(here.python, "import demo")  # writes a .pyc
    there = make_environment([str(wheel)], sys.executable, tmp_path / "two")
    changed = make_environment([str(other)], sys.executable, tmp_path / "two")
    assert here.wheel_set() == there.wheel_set() != changed.wheel_set()


def test_a_wheel_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"installing no-such-demo==1\.0: .*no-such-demo"):
        make_environment(["no-such-demo==1.0"], sys.executable, tmp_path)
    assert not list(tmp_path.glob("*/abiclash-environment.json"))


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match="environments cannot be kept there"):
        make_environment([], sys.executable, tmp_path / "file" / "cache")


def test_a_python_is_found_by_path_command_or_version() -> None:
    assert find_python(sys.executable) == sys.executable
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert answer(find_python(version), "import sys; print('%d.%d' % sys.version_info[:2])") == version
    with pytest.raises(LabError, match=r"Python 3\.99: not found on PATH, in .* or by uv"):
        find_python("3.99")


def test_pyenv_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for release in ("3.99.9", "3.99.10", "3.98.1"):
        folder = tmp_path / "versions" / release / "bin"
        folder.mkdir(parents=True)
        (folder / "python").write_text(f'#!/bin/sh\necho "{release}"\n')
        (folder / "python").chmod(0o755)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_python("3.99") == "3.99.10"
    assert find_python("3.98") == "3.98.1"

"""`abiclash env` and the pytest plugin, on an environment whose package cannot load its library."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.cli import app
from tests.support import make_wheel

if TYPE_CHECKING:
    from tests.support import Builder

PACKAGE = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libx.so'))\n"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def environment(folder: Path, library: Path) -> Path:
    """Return a virtual environment of this Python in which the package `x` is installed."""
    venv.create(folder, symlinks=True, with_pip=False)
    wheel = make_wheel(folder / "dist", {"x/__init__.py": PACKAGE, "x/libx.so": library}, name="x")
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder


@pytest.fixture
def broken(builder: Builder, tmp_path: Path) -> Path:
    needed = builder.library("libgone.so", "int g(void) { return 1; }")
    library = builder.library("libx.so", "int g(void); int x(void) { return g(); }", libs=[needed])
    return environment(tmp_path / ".venv", library)


@pytest.fixture
def sound(builder: Builder, tmp_path: Path) -> Path:
    return environment(tmp_path / ".venv", builder.library("libx.so", "int x(void) { return 1; }"))


@pytest.mark.compiler
def test_a_broken_environment(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["env", str(broken), "--fail-on", "warning"]) == 1
    shown = capsys.readouterr().out
    assert "missing-library" in shown
    assert "libgone.so" in shown


@pytest.mark.compiler
def test_the_environment_that_is_meant(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.run(["env"]) == 0  # .venv here
    assert capsys.readouterr().out.startswith("x  clean")
    monkeypatch.chdir(sound)
    assert app.run(["env"]) == 2
    assert "no environment is active, and there is no .venv here; name its FOLDER" in capsys.readouterr().err
    monkeypatch.setenv("VIRTUAL_ENV", str(sound))
    assert app.run(["env"]) == 0


def run_pytest(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    (folder / "test_it.py").write_text("def test_it():\n    assert True\n")
    source = str(Path(app.__file__).parents[2])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    if "abiclash" not in {point.name for point in _plugins()}:
        command[3:3] = ["-p", "abiclash.pytest_plugin"]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": source}, capture_output=True, text=True, check=False
    )


def _plugins() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group="pytest11"))


@pytest.mark.compiler
def test_the_plugin_fails_a_session(broken: Path, tmp_path: Path) -> None:
    options = ["--abiclash", "--abiclash-env", str(broken), "--abiclash-fail-on", "warning"]
    done = run_pytest(tmp_path / "tests", *options)
    assert done.returncode == 1, done.stderr
    assert "1 passed" in done.stdout
    assert "ABI conflicts in this environment" in done.stdout
    assert "libgone.so" in done.stdout


@pytest.mark.compiler
def test_the_plugin_is_silent_where_all_is_well(sound: Path, tmp_path: Path) -> None:
    done = run_pytest(tmp_path / "tests", "--abiclash", "--abiclash-env", str(sound))
    assert (done.returncode, "abiclash" in done.stdout) == (0, False), done.stdout


@pytest.mark.compiler
def test_the_plugin_does_nothing_where_nobody_asked(broken: Path, tmp_path: Path) -> None:
    assert run_pytest(tmp_path / "tests", "--abiclash-env", str(broken)).returncode == 0


@pytest.mark.compiler
def test_edited_source_is_read_again(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (init,) = sound.glob("lib/python*/site-packages/x/__init__.py")
    init.write_text(PACKAGE)
    assert app.run(["plan", "--env", str(sound), "x", "--offline"]) in {0, 3}
    assert "libx.so" in capsys.readouterr().out
    init.write_text("")
    os.utime(init, ns=(0, 0))
    assert app.run(["plan", "--env", str(sound), "x", "--offline"]) in {0, 3}
    assert "libx.so" not in capsys.readouterr().out

"""Throw-away environments: a virtual environment with pinned packages, kept under a cache folder by what it holds."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import LabError
from abiclash.lab.run import interpreter
from abiclash.sources.uvconfig import IndexSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MARKER = "abiclash-environment.json"
_UNHASHED = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}


@dataclass(frozen=True, slots=True)
class Environment:
    """A complete environment. python: its interpreter. pins: what is installed, as sorted `name==version`."""

    path: Path
    python: str
    pins: tuple[str, ...]

    @property
    def site_packages(self) -> Path:
        return next((self.path / "lib").glob("python3*/site-packages"))

    def wheel_set(self) -> str:
        """Hash of the installed wheels' files: equal for equal wheels, whatever installed them, wherever."""
        return wheel_set(self.site_packages)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def find_python(wanted: str) -> str:
    """Absolute path of a CPython: a path, a command, or a version like `3.9` found on PATH, in pyenv or by uv.

    Raises LabError that says where it looked.
    """
    if not wanted.replace(".", "").isdigit():
        return interpreter(wanted)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    installed = [path for path in pyenv.glob(f"{wanted}*/bin/python") if _is_release(path.parts[-3], wanted)]
    candidates = [*sorted(map(str, installed), key=_release, reverse=True), f"python{wanted}"]
    for candidate in candidates:
        try:
            return interpreter(candidate)
        except LabError:
            continue
    answer = _uv(["python", "find", wanted])
    if answer.returncode:
        raise LabError(f"Python {wanted}: not found on PATH, in {pyenv} or by uv; install it, or name an interpreter")
    return interpreter(answer.stdout.strip())


def make_environment(requirements: Sequence[str], python: str, cache: Path) -> Environment:
    """An environment for the interpreter `python` with `requirements` installed from wheels; an equal one is reused.

    requirements: as for pip (pin them, or equal requests may get unequal packages), or paths of wheel files.
    Raises LabError with uv's own words when they cannot be had. Nothing half-made is ever taken for complete.
    """
    program = interpreter(python)
    wanted = sorted(requirements)
    digest = hashlib.sha256(json.dumps([program, wanted]).encode()).hexdigest()[:16]
    path = cache / digest
    marker = path / _MARKER
    with _locked(cache, digest):
        if not marker.exists():
            shutil.rmtree(path, ignore_errors=True)
            _install(path, program, wanted)
            pins = _ok(_uv(["pip", "freeze", "--python", str(path / "bin/python")]), "reading what was installed")
            marker.write_text(json.dumps({"requirements": wanted, "pins": sorted(pins.split("\n"))}), encoding="utf-8")
        pinned = json.loads(marker.read_text(encoding="utf-8"))["pins"]
    return Environment(path, str(path / "bin/python"), tuple(pin for pin in pinned if pin))


def _install(path: Path, program: str, requirements: Sequence[str]) -> None:
    _ok(_uv(["venv", "--quiet", "--no-project", "--python", program, str(path)]), f"an environment for {program}")
    if not requirements:
        return
    command = ["pip", "install", "--quiet", "--python", str(path / "bin/python"), "--only-binary", ":all:"]
    listed = path / "requirements.txt"
    listed.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    _ok(_uv([*command, "--requirement", str(listed)]), f"installing {', '.join(requirements[:5])}")


def wheel_set(site_packages: Path) -> str:
    """Hash of all installed wheels, from their RECORD files. Files that the installer adds are left out."""
    lines: list[str] = []
    for record in sorted(site_packages.glob("*.dist-info/RECORD")):
        folder = record.parent.name
        for line in record.read_text(encoding="utf-8", errors="replace").splitlines():
            name = line.split(",", 1)[0]
            made = name.endswith(".pyc") or name.startswith("../") or name in {f"{folder}/{own}" for own in _UNHASHED}
            if not made:
                lines.append(f"{folder} {line}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


@contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    """Keep two makers of one environment apart."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / f"{name}.lock").open("w", encoding="ascii")
    except OSError as error:
        raise LabError(f"{cache}: environments cannot be kept there ({error.strerror}); name another folder") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _uv(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run uv with the user's index configuration; pip's settings are honoured where uv has none."""
    from uv import find_uv_bin  # noqa: PLC0415 - only where an environment is made

    environ = IndexSettings.load().environment()
    try:
        uv = find_uv_bin()
    except FileNotFoundError as error:
        raise LabError("uv: it is not installed beside abiclash; install the package uv") from error
    return subprocess.run(
        [uv, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environ,
    )


def _ok(answer: subprocess.CompletedProcess[str], what: str) -> str:
    if answer.returncode:
        words = " ".join(answer.stderr.split()) or f"uv ended with {answer.returncode}"
        raise LabError(f"{what}: {words}; check the requirements, the index and the free disk space")
    return answer.stdout


def _is_release(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}.")


def _release(path: str) -> tuple[int, ...]:
    return tuple(int(part) for part in Path(path).parts[-3].split(".") if part.isdigit())

"""Running foreign code in a child process: own home, no input, no network where possible, limits in time and memory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from abiclash.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAIL = 16384
_MEMORY = 16 << 30
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ")
_REPEATABLE = {"PYTHONHASHSEED": "0"}  # what a package imports from a set comes in the order of hashes


def usual_memory() -> int:
    """Return 16 GiB, or three quarters of this machine's memory where that is less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(_MEMORY, machine * 3 // 4)


@dataclass(frozen=True, slots=True)
class Limits:
    """seconds: wall time after which the whole process group is killed. memory: bytes of data (RLIMIT_DATA), or None.

    Data and not address space: CUDA and sanitizers reserve addresses that no memory stands behind.
    """

    seconds: float = 600.0
    memory: int | None = field(default_factory=usual_memory)


@dataclass(frozen=True, slots=True)
class Run:
    """How a child ended.

    exit: exit status, or minus the number of the signal that ended it. pid: of the program. seconds: wall time.
    offline: it had no network. stdout, stderr: the last 16 KiB of each.
    """

    exit: int
    pid: int
    seconds: float
    timed_out: bool
    offline: bool
    stdout: str
    stderr: str

    @property
    def signal(self) -> str | None:
        """Name of the signal that ended the program, as SIGSEGV."""
        if self.exit >= 0:
            return None
        try:
            return signal.Signals(-self.exit).name
        except ValueError:
            return f"signal {-self.exit}"


def interpreter(python: str | Path) -> str:
    """Absolute path of an interpreter that starts, given by name or path. Raises LabError."""
    found = shutil.which(str(python))
    if found is None:
        raise LabError(f"{python}: no such interpreter; name an installed Python, or its path")
    try:
        answer = subprocess.run(
            [found, "-I", "-S", "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LabError(f"{python}: it does not start as a Python interpreter ({error}); name another") from error
    return answer.stdout.strip()


def run_child(
    command: Sequence[str],
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    limits: Limits | None = None,
) -> Run:
    """Run `command` (absolute program path first) with `folder` for its home, and wait for it.

    Of the caller's environment only PATH, locale and time zone are passed on; `environ` is added. Hashes of
    strings are the same in every run. Raises LabError when it cannot be started.
    """
    limits = limits or Limits()
    home, report = folder / "home", folder / "report"
    home.mkdir(exist_ok=True)
    settings = {
        "memory": limits.memory,
        "report": str(report),
        "environ": {key: os.environ[key] for key in _KEPT if key in os.environ}
        | {"HOME": str(home), "TMPDIR": str(home), **_REPEATABLE}
        | dict(environ or {}),
    }
    starter = [sys.executable, "-I", "-S", str(Path(__file__).with_name("child.py")), json.dumps(settings)]
    began = time.monotonic()
    with (folder / "stdout").open("w+b") as output, (folder / "stderr").open("w+b") as errors:
        child = subprocess.Popen(
            [*starter, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=home,
            start_new_session=True,
        )
        status, timed_out = _wait(child, limits.seconds)
        seconds = time.monotonic() - began
        stdout, stderr = _tail(output), _tail(errors)
    if not report.exists():
        raise LabError(f"{command[0]}: it could not be started: {stderr.strip() or status}")
    offline = report.read_text(encoding="ascii") == "offline"
    return Run(status, child.pid, seconds, timed_out, offline, stdout, stderr)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> tuple[int, bool]:
    """Wait for the end of a child, or make it; also of what it left behind. Return its status, and whether it took
    too long. (Its session is its own, so its process group holds nothing else.)
    """
    try:
        return child.wait(timeout=seconds), False
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.wait(), True
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _tail(stream: BinaryIO) -> str:
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
    return stream.read().decode("utf-8", "replace")

"""Where a program dies: gdb's frames with their shared objects, or what faulthandler says of Python's."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.lab.investigate.result import Crash, Frame
from abiclash.lab.run import run_child
from abiclash.triage.gdb import gdb_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from abiclash.lab.run import Limits
    from abiclash.triage.gdb import GdbFrame

_DEPTH = 32
_COMMANDS = (
    "set pagination off",
    "set print frame-arguments none",
    "run",
    f"backtrace {_DEPTH}",
    "info registers",
    "info symbol $pc",
)
_REGISTER = re.compile(r"(?P<name>[a-z][a-z0-9_]*)\s+(?P<value>0x[0-9a-f]+)\s")
_SECTION = re.compile(r" in section (\S+)(?: of |$)")
_PYTHON_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line \d+ in (?P<function>.+)')


def crash_of(python: str, statements: Sequence[str], limits: Limits, shown: Callable[[str], str]) -> Crash:
    """Run the statements once more and say where they end. shown: makes a path fit for the report."""
    gdb = shutil.which("gdb")
    code = "\n".join(statements)
    if gdb is not None:
        commands = [part for command in _COMMANDS for part in ("-ex", command)]
        text = _run([gdb, "-nx", "-batch", *commands, "--args", python, "-W", "ignore", "-c", code], limits)[0]
        native = [frame for line in text.splitlines() if (frame := gdb_frame(line))]
        if native:
            registers = {
                match["name"]: match["value"] for line in text.splitlines() if (match := _REGISTER.match(line))
            }
            section = next((match[1] for line in text.splitlines() if (match := _SECTION.search(line))), "")
            frames = tuple(_frame(frame, shown) for frame in native)
            return Crash("gdb", frames, native[0].address == 0, registers, section)
    text = _run([python, "-W", "ignore", "-X", "faulthandler", "-c", code], limits)[1]
    found = [match for line in text.splitlines() if (match := _PYTHON_FRAME.match(line))]
    frames = tuple(Frame(at, match["function"], shown(match["file"])) for at, match in enumerate(found[:_DEPTH]))
    return Crash("faulthandler" if frames else "", frames)


def _frame(frame: GdbFrame, shown: Callable[[str], str]) -> Frame:
    place = frame.object or frame.source
    function = frame.call.removesuffix(" (...)").removesuffix(" ()")
    return Frame(frame.number, function, shown(os.path.normpath(place)) if place else "")


def _run(command: Sequence[str], limits: Limits) -> tuple[str, str]:
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        run = run_child(command, Path(name), limits=limits, environ={"DEBUGINFOD_URLS": ""})
    return run.stdout, run.stderr

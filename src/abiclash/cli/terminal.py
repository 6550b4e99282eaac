"""What depends on who reads: colour, width, progress bars, files and pipes."""

from __future__ import annotations

import io
import os
import shutil
import sys
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.reports.paint import Paint

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.progress import Progress

PIPED_WIDTH = 100
_WIDEST = 120


def paint(color: str, output: Path | None) -> Paint:
    """Return how to lay out text for stdout, or for a file. color: "auto", "always" or "never".

    "auto" colours a terminal unless NO_COLOR is set (https://no-color.org) or TERM is dumb.
    """
    terminal = output is None and sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    colour = color == "always" or (color == "auto" and terminal and not plain)
    width = min(shutil.get_terminal_size((PIPED_WIDTH, 24)).columns, _WIDEST) if terminal else PIPED_WIDTH
    return Paint(width=width, colour=colour)


def write(text: str, output: Path | None) -> None:
    """Write the result to a file, or to stdout; a reader that went away is not an error."""
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output}: cannot be written: {error.strerror}; choose another -o FILE") from error
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without a name's characters must not matter
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more at exit: give it a place where that cannot fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress(*, quiet: bool) -> Progress:
    """Return bars on stderr where that is a terminal, else silence."""
    if quiet or not sys.stderr.isatty():
        from abiclash.progress import Silent  # noqa: PLC0415

        return Silent()
    from abiclash.cli.bars import Bars  # noqa: PLC0415 - rich is for terminals only

    return Bars()


def lasting_progress(*, quiet: bool) -> Progress:
    """Return bars on a terminal, else lines: for work of hours, whose log is looked at."""
    if quiet or sys.stderr.isatty():
        return progress(quiet=quiet)
    from abiclash.cli.lines import Lines  # noqa: PLC0415 - as above

    return Lines()

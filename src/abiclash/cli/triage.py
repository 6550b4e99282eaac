"""abiclash triage: from a crash text to its likely causes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL
from abiclash.errors import UsageError
from abiclash.readfile import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 16 << 20
"""Bytes of what is piped in that are kept: the end counts."""


@click.command(
    "triage",
    epilog="""\b
Examples:
  python -X faulthandler -c 'import a, b' 2>&1 | abiclash triage
  gdb -batch -ex run -ex bt --args python -c 'import a, b' 2>&1 | abiclash triage --env .venv
  abiclash triage crash.txt

Exit status: 0 something was recognised, 2 could not be done, 3 nothing was recognised.""",
)
@click.argument("file", required=False, type=options.FILE)
@click.option("--env", "environment", type=options.FILE, help="The environment it happened in: scan it too.")
@options.CACHE
@click.option("--offline", is_flag=True, help="Use only what is in caches and on this machine.")
@options.output("text", "json")
@options.QUIET
def command(
    *,
    file: Path | None,
    environment: Path | None,
    cache: Path | None,
    offline: bool,
    form: str,
    output: Path | None,
    color: str,
    quiet: bool,
) -> int:
    """Tell the likely causes of a crash or of a failed import from its text, in FILE or on stdin.

    Understood are ImportError and other messages of dynamic linkers and well-known libraries, the output of
    python -X faulthandler, and backtraces of gdb. The text is read, nothing is run.
    """
    from abiclash.reports import triage as report  # noqa: PLC0415 - start-up
    from abiclash.triage.causes import causes  # noqa: PLC0415
    from abiclash.triage.crash import read  # noqa: PLC0415

    crash = read(_text(file))
    result = None
    if environment is not None:
        from abiclash.scanning import ScanRequest, scan  # noqa: PLC0415 - heavy

        request = ScanRequest((), environment=environment, cache=cache, offline=offline)
        result = scan(request, terminal.progress(quiet=quiet))
    found = causes(crash, result)
    scanned = result is not None
    if form == "json":
        terminal.write(report.as_json(crash, found, scanned=scanned), output)
    else:
        terminal.write(report.as_text(crash, found, terminal.paint(color, output), scanned=scanned), output)
    return 0 if crash.understood else PARTIAL


def _text(file: Path | None) -> str:
    if file is None:
        if sys.stdin.isatty():
            raise UsageError(
                "no crash text; name a FILE, or pipe one in: python -X faulthandler ... 2>&1 | abiclash triage"
            )
        text = b""
        while chunk := sys.stdin.buffer.read(1 << 20):
            text = (text + chunk)[-_MOST:]
        return text.decode("utf-8", "replace")
    try:
        return read_bytes(file).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}; name a text file") from error

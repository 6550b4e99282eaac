"""abiclash env: why does this environment crash?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from abiclash.cli import judged, options
from abiclash.errors import UsageError


@click.command(
    "env",
    epilog="""\b
Examples:
  abiclash env                     # the active environment, or .venv
  abiclash env ~/venvs/ml
  abiclash env --format html -o report.html

\b
Exit status: as of abiclash scan. With the text of a crash at hand: abiclash triage --env FOLDER < crash.txt""",
)
@click.argument("folder", required=False, type=options.FILE)
@options.CACHE
@click.option("--offline", is_flag=True, help="Use only what is in caches and on this machine.")
@judged.judged
def command(*, folder: Path | None, **given: Any) -> int:
    """Find what breaks in an installed environment: all its packages with native code, in every order that matters.

    FOLDER is the environment's; without it the active one ($VIRTUAL_ENV or $CONDA_PREFIX), or .venv here. The
    packages are read where they are, and on the libraries of this machine; nothing of theirs is run.
    """
    nothing: dict[str, Any] = {"targets": (), "requirements": (), "python": None, "platform": None, "host": None}
    return judged.report(environment=folder or _active(), refresh=False, **nothing, **given)


def _active() -> Path:
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if value := os.environ.get(variable):
            return Path(value)
    for here in (Path(".venv"), Path("venv")):
        if (here / "pyvenv.cfg").is_file():
            return here
    raise UsageError("no environment is active, and there is no .venv here; name its FOLDER")

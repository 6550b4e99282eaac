"""abiclash scan: the main job."""

from __future__ import annotations

from typing import Any

import click

from abiclash.cli import judged, options


@click.command(
    "scan",
    epilog="""\b
A TARGET is a requirement (numpy, 'pyarrow==0.13.0'), a wheel file, a folder of wheels, a lock file
(pylock.toml, uv.lock, poetry.lock) or a shared object.

\b
Examples:
  abiclash scan numpy scipy                            # for the Python and the machine that run abiclash
  abiclash scan -r requirements.txt --fail-on warning
  abiclash scan dist/*.whl pandas                      # a wheel that you built, beside another package
  abiclash scan torch --python 3.12 --platform manylinux_2_28_aarch64
  abiclash scan uv.lock --format sarif -o abiclash.sarif

\b
Exit status: 0 nothing at or above --fail-on; 1 findings; 2 could not be done;
3 nothing at or above --fail-on, but some input could not be read.""",
)
@options.targets
@options.HOST
@options.FACTS
@judged.judged
def command(**given: Any) -> int:
    """Find what breaks when these packages are imported together."""
    return judged.report(**given)

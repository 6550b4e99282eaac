"""abiclash scan: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import controls, options, status, terminal

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "scan",
    epilog="""\b
A TARGET is a requirement (numpy, 'pyarrow==0.13.0'), a wheel file, a folder of wheels, a lock file
(pylock.toml, uv.lock, poetry.lock) or a shared object.

\b
Exit status: 0 nothing at or above --fail-on; 1 findings; 2 could not be done;
3 nothing at or above --fail-on, but some input could not be read.""",
)
@options.targets
@options.HOST
@click.option(
    "--order",
    type=click.Choice(["all", "given"]),
    default="all",
    show_default=True,
    help="Import orders to play: all that matter, or only the one of the arguments.",
)
@click.option(
    "--fail-on",
    type=click.Choice(status.THRESHOLDS),
    default="error",
    show_default=True,
    help="The least severity that makes the exit status 1.",
)
@controls.controls
@options.output("text", "json")
@options.QUIET
@options.VERBOSE
def command(
    *, order: str, fail_on: str, form: str, output: Path | None, color: str, quiet: bool, verbose: bool, **given: Any
) -> int:
    """Find what breaks when these packages are imported together."""
    control = controls.Control.take(given)
    request = options.request(all_orders=order == "all", **given)
    from abiclash import scan  # noqa: PLC0415 - heavy, and the arguments are known to be right

    result = scan.scan(request, terminal.progress(quiet=quiet))
    view = control.view(result.findings, everything=form == "json")
    if form == "json":
        from abiclash.reports import json  # noqa: PLC0415

        terminal.write(json.render(result, view), output)
    else:
        from abiclash.reports import text  # noqa: PLC0415

        detail = text.Detail.BRIEF if quiet else text.Detail.FULL if verbose else text.Detail.NORMAL
        terminal.write(text.render(result, terminal.paint(color, output), detail, view), output)
    return status.of_scan(result, view, fail_on)

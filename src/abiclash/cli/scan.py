"""abiclash scan: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import controls, options, status, terminal
from abiclash.reports import formats
from abiclash.reports.detail import Detail

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
@options.output(*formats.FORMATS)
@options.QUIET
@options.VERBOSE
def command(
    *, order: str, fail_on: str, form: str, output: Path | None, color: str, quiet: bool, verbose: bool, **given: Any
) -> int:
    """Find what breaks when these packages are imported together."""
    control = controls.Control.take(given)
    request = options.request(all_orders=order == "all", **given)
    from abiclash import scan  # noqa: PLC0415 - heavy, and the arguments are known to be right

    scanned = scan.played(request, terminal.progress(quiet=quiet))
    result = scanned.result
    view = control.view(result.findings, everything=form in formats.COMPLETE)
    report = formats.Report(
        result,
        view,
        case=scanned.case,
        paint=terminal.paint(color, output),
        detail=Detail.BRIEF if quiet else Detail.FULL if verbose else Detail.NORMAL,
        threshold=status.threshold(fail_on),
        manifests=options.manifests(request),
    )
    terminal.write(formats.render(form, report), output)
    return status.of_scan(result, view, fail_on)

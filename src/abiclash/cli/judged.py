"""What commands that end in a scan's verdict have in common: their options, the report and the exit status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import controls, options, status, terminal
from abiclash.reports import formats
from abiclash.reports.detail import Detail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_OPTIONS = (
    click.option(
        "--order",
        type=click.Choice(["all", "given"]),
        default="all",
        show_default=True,
        help="Import orders to play: all that matter, or only the one of the arguments.",
    ),
    click.option(
        "--fail-on",
        type=click.Choice(status.THRESHOLDS),
        default="error",
        show_default=True,
        help="The least severity that makes the exit status 1.",
    ),
    controls.controls,
    options.output(*formats.FORMATS),
    options.QUIET,
    options.VERBOSE,
)


def judged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the function gets them as keywords, for `report`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def report(
    *, order: str, fail_on: str, form: str, output: Path | None, color: str, quiet: bool, verbose: bool, **given: Any
) -> int:
    """Scan what the options of `options.targets` name, write the report, return the exit status."""
    control = controls.Control.take(given)
    request = options.request(all_orders=order == "all", **given)
    from abiclash import scanning  # noqa: PLC0415 - heavy, and the arguments are known to be right

    scanned = scanning.played(request, terminal.progress(quiet=quiet))
    result = scanned.result
    view = control.view(result.findings, everything=form in formats.COMPLETE)
    shown = formats.Report(
        result,
        view,
        case=scanned.case,
        paint=terminal.paint(color, output),
        detail=Detail.BRIEF if quiet else Detail.FULL if verbose else Detail.NORMAL,
        threshold=status.threshold(fail_on),
        manifests=options.manifests(request),
    )
    terminal.write(formats.render(form, shown), output)
    return status.of_scan(result, view, fail_on)

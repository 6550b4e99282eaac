"""abiclash plan: what an import loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL

if TYPE_CHECKING:
    from pathlib import Path


@click.command("plan")
@options.targets
@options.HOST
@options.IMPORT
@options.output("text", "jsonl")
@options.QUIET
def command(*, imports: str | None, form: str, output: Path | None, color: str, quiet: bool, **given: Any) -> int:
    """Show what importing the packages loads, in order: each load with its cause and how sure it is.

    The plan is read from the packages' Python source and from strings in extension modules; nothing is executed.
    """
    request = options.request(**given)
    from abiclash.cli.playing import prepared  # noqa: PLC0415 - heavy
    from abiclash.reports import plan as report  # noqa: PLC0415

    playing = prepared(request, options.names(imports), terminal.progress(quiet=quiet))
    loads = playing.planner.plan(playing.order).loads
    failures = playing.not_analysed(playing.order)
    if form == "jsonl":
        terminal.write("".join(report.json_lines(loads, failures)), output)
    else:
        folder = playing.setting.host.interpreter.site_packages
        terminal.write(report.as_text(loads, failures, folder, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0

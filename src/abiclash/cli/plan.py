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
@click.option("--import", "imports", metavar="MODULES", help="What to import, with commas (default: the packages).")
@options.output("text", "jsonl")
@options.QUIET
def command(*, imports: str | None, form: str, output: Path | None, color: str, quiet: bool, **given: Any) -> int:
    """Show what importing the packages loads, in order: each load with its cause and how sure it is.

    The plan is read from the packages' Python source and from strings in extension modules; nothing is executed.
    """
    request = options.request(**given)
    from abiclash import scan  # noqa: PLC0415 - heavy
    from abiclash.reports import plan as report  # noqa: PLC0415

    prepared = scan.prepare(request, terminal.progress(quiet=quiet), options.names(imports))
    loads = prepared.player.planner.imports(prepared.requested)
    failures = sorted(set(prepared.not_analysed))
    if form == "jsonl":
        terminal.write("".join(report.json_lines(loads, failures)), output)
    else:
        folder = prepared.player.host.interpreter.site_packages
        terminal.write(report.as_text(loads, failures, folder, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0

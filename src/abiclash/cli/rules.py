"""abiclash rules: what is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from abiclash.cli import options, terminal

if TYPE_CHECKING:
    from pathlib import Path


@click.command("rules")
@click.argument("name", required=False)
@options.output("text", "json", "markdown")
def command(*, name: str | None, form: str, output: Path | None, color: str) -> None:
    """List the rules, or explain the one called NAME."""
    from abiclash.reports import rules as report  # noqa: PLC0415
    from abiclash.rules import registry  # noqa: PLC0415

    entries = registry.rules() if name is None else (registry.rule(name),)
    if form == "json":
        terminal.write(report.as_json(entries), output)
    elif form == "markdown":
        terminal.write("\n".join(registry.page(entry) for entry in entries), output)
    elif name is None:
        terminal.write(report.listing(entries, terminal.paint(color, output)), output)
    else:
        terminal.write(report.explanation(entries[0], terminal.paint(color, output)), output)

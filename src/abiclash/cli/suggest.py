"""abiclash suggest: what to change so that packages go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import FOUND

if TYPE_CHECKING:
    from pathlib import Path


@click.command(
    "suggest",
    epilog="""\b
Looks for import orders, then for releases next to those asked for (a few newer, a few older), without error
findings. One package before two; patch before minor before major; near before far. Each suggestion was played.

\b
Exit status: 0 nothing to change, or something was found; 1 nothing was found; 2 could not be done.""",
)
@options.targets
@options.HOST
@options.FACTS
@click.option(
    "--steps",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    help="Releases of each package to consider in each direction.",
)
@click.option(
    "--candidates",
    type=click.IntRange(0, 200),
    default=12,
    show_default=True,
    help="Combinations of versions to play at most.",
)
@options.output("text", "json")
@options.QUIET
def command(
    *, steps: int, candidates: int, form: str, output: Path | None, color: str, quiet: bool, **given: Any
) -> int:
    """Find the smallest change that makes packages go together."""
    request = options.request(**given)
    from abiclash.reports import suggestions  # noqa: PLC0415 - heavy, and the arguments are known to be right
    from abiclash.suggest.search import Bounds, suggest  # noqa: PLC0415

    outlook = suggest(request, Bounds(steps, candidates), terminal.progress(quiet=quiet))
    text = suggestions.as_json(outlook) if form == "json" else None
    terminal.write(text or suggestions.as_text(outlook, terminal.paint(color, output)), output)
    return 0 if outlook.needless or outlook.suggestions else FOUND

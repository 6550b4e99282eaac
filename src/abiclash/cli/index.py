"""abiclash index: read wheels into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import WheelFacts
    from abiclash.progress import Progress
    from abiclash.scanning import ScanRequest


@click.command("index")
@options.targets
@click.option(
    "--verify-record", "verify", is_flag=True, help="Hash the files in wheels named by path; compare with RECORD."
)
@options.output("text", "json")
@options.QUIET
def command(*, form: str, output: Path | None, color: str, quiet: bool, **given: Any) -> int:
    """Read wheels into the store, so that later scans do not touch them.

    A TARGET is what 'abiclash scan' takes; dependencies are read too.
    """
    request = options.request(**given)
    from abiclash.reports import index as report  # noqa: PLC0415 - heavy

    facts, failures = _index(request, terminal.progress(quiet=quiet))
    failures = sorted({*failures, *(entry for wheel in facts for entry in wheel.not_analysed)})
    if form == "json":
        terminal.write(report.as_json(facts, failures), output)
    elif not quiet or failures:
        terminal.write(report.as_text([] if quiet else facts, failures, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0


def _index(request: ScanRequest, progress: Progress) -> tuple[list[WheelFacts], list[NotAnalysed]]:
    """Resolve, fetch and read; return what is known now, and what is not."""
    from abiclash.scanning import gathered  # noqa: PLC0415 - heavy

    store, wheels = gathered(request, progress)
    return [*wheels.wheels, *wheels.installed], [*wheels.not_analysed, *store.not_kept]

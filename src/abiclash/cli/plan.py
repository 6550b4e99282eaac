"""abiclash plan: what an import loads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.cli.playing import Playing
    from abiclash.errors import NotAnalysed
    from abiclash.lab.run import Limits
    from abiclash.scanning import ScanRequest


@click.command("plan")
@options.targets
@options.HOST
@options.FACTS
@options.IMPORT
@click.option(
    "--observe",
    is_flag=True,
    help="RUN THE PACKAGES' OWN CODE: import them in a throw-away environment and keep what they load.",
)
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds for each run of --observe.")
@options.MEMORY
@options.output("text", "jsonl")
@options.QUIET
def command(
    *,
    imports: str | None,
    observe: bool,
    timeout: float,
    memory: int | None,
    form: str,
    output: Path | None,
    color: str,
    quiet: bool,
    **given: Any,
) -> int:
    """Show what importing the packages loads, in order: each load with its cause and how sure it is.

    The plan is read from the packages' Python source and from strings in extension modules; nothing is executed.

    With --observe, and only then, the packages are installed into a throw-away environment and imported, in child
    processes with limits of time and memory, a home of their own and, where the system allows, no network. What was
    loaded is kept, and this and later commands on the same wheels use it in place of what they read ("observed").
    """
    request = options.request(**given)
    from abiclash.cli.playing import prepared  # noqa: PLC0415 - heavy
    from abiclash.lab.run import Limits as Bounds  # noqa: PLC0415
    from abiclash.reports import plan as report  # noqa: PLC0415

    playing = prepared(request, options.names(imports), terminal.progress(quiet=quiet))
    unseen = _observe(playing, request, Bounds(timeout, memory), quiet=quiet) if observe else []
    found = playing.planner.plan(playing.order)
    failures = [*unseen, *playing.not_analysed(playing.order)]
    if form == "jsonl":
        terminal.write("".join(report.json_lines(found.loads, failures)), output)
    else:
        folder = playing.setting.host.interpreter.site_packages
        terminal.write(report.as_text(found.loads, failures, folder, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0


def _observe(playing: Playing, request: ScanRequest, limits: Limits, *, quiet: bool) -> list[NotAnalysed]:
    """Import the packages for real, in every order that a scan plays, and keep what they load."""
    from abiclash.facts.store import default_root  # noqa: PLC0415 - heavy
    from abiclash.lab.observe_set import WARNING, interpreter_with, observe_orders, orders  # noqa: PLC0415

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"abiclash: {text}", err=True)

    say(WARNING)
    wanted = [playing.planner.modules(order) for order in orders(playing.order)]
    cache = request.cache or default_root()
    with interpreter_with(playing.wheels, playing.setting.host, cache, offline=request.offline) as python:
        return observe_orders(
            python, wanted, playing.records, limits=limits, progress=lambda line: say(f"running {line}")
        )

"""abiclash bindings: which definition each reference gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL
from abiclash.errors import NotAnalysed, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from abiclash.linker.process import Process
    from abiclash.progress import Progress
    from abiclash.reports.bindings import Names
    from abiclash.scan import ScanRequest


@dataclass(frozen=True, slots=True)
class _Playing:
    """What can be played. play: names in import order -> process; order: the one that was asked for."""

    play: Callable[[tuple[str, ...]], Process]
    order: tuple[str, ...]
    names: Names
    not_analysed: Sequence[NotAnalysed] = ()


@click.command(
    "bindings",
    epilog="""\b
Examples:
  abiclash bindings numpy scipy --order scipy,numpy --symbol 'cblas_*'
  abiclash bindings pyarrow==0.13.0 tensorflow==1.13.1 --python 3.7 --diff pyarrow,tensorflow tensorflow,pyarrow
  abiclash bindings --env .venv --import numpy,scipy
  abiclash bindings --env .venv --plan loads.jsonl""",
)
@options.targets
@click.option("--import", "imports", metavar="MODULES", help="What to import, with commas (default: the packages).")
@click.option("--plan", type=options.FILE, help="Play these loads (JSON lines) in the interpreter of --env.")
@click.option("--order", metavar="NAMES", help="Import order, with commas (default: as given).")
@click.option("--diff", nargs=2, metavar="ORDER1 ORDER2", help="Only what is bound differently in two orders.")
@click.option("--symbol", help="Only this symbol: a raw name, or a pattern with * and ?.")
@click.option("--object", "shared_object", help="Only references from or to this object: path, file name or pattern.")
@options.output("jsonl", "text")
@options.QUIET
def command(
    *,
    imports: str | None,
    plan: Path | None,
    order: str | None,
    diff: tuple[str, str] | None,
    symbol: str | None,
    shared_object: str | None,
    form: str,
    output: Path | None,
    color: str,
    quiet: bool,
    **given: Any,
) -> int:
    """Predict which definition the dynamic linker gives to each symbol reference.

    JSON lines: {"load": path}, {"error": kind, "object": path, "message": text}, {"global": path}, and
    {"from": path, "symbol": name, "version": version, "to": path} for each distinct binding.
    """
    request = options.request(**given)
    from abiclash.reports import bindings as report  # noqa: PLC0415 - heavy

    if plan is not None and (order or diff):
        raise UsageError("--plan plays one recorded sequence; --order and --diff need packages")
    narrow = report.Narrow(symbol, shared_object)
    paint = terminal.paint(color, output)
    if plan is None:
        playing = _packages(request, options.names(imports), terminal.progress(quiet=quiet))
    else:
        playing = _recorded(request, plan)
    if diff:
        first, second = (playing.play(options.names(text)) for text in diff)
        rows = report.difference(first, second, playing.names, narrow)
        lines = report.difference_lines(rows, paint) if form == "text" else (json.dumps(row) + "\n" for row in rows)
    else:
        process = playing.play(options.names(order) or playing.order)
        shown = (process, playing.names, narrow)
        lines = report.table(*shown, paint) if form == "text" else report.json_lines(*shown)
    terminal.write("".join(lines), output)
    for entry in playing.not_analysed:
        click.echo(f"abiclash: not analysed: {entry.what}: {entry.reason}", err=True)
    return PARTIAL if playing.not_analysed else 0


def _packages(request: ScanRequest, imports: tuple[str, ...], progress: Progress) -> _Playing:
    """Play the targets, or the named modules."""
    from abiclash import scan  # noqa: PLC0415 - heavy

    prepared = scan.prepare(request, progress, imports)
    return _Playing(
        lambda names: prepared.player.imported(names).process,
        prepared.requested,
        prepared.names,
        sorted(set(prepared.not_analysed)),
    )


def _recorded(request: ScanRequest, plan: Path) -> _Playing:
    """Play recorded loads with an environment's interpreter on this machine."""
    from abiclash.linker.replay import replay  # noqa: PLC0415 - heavy
    from abiclash.linker.world import World  # noqa: PLC0415
    from abiclash.sources.live_host import live  # noqa: PLC0415

    if request.environment is None:
        raise UsageError(f"--plan {plan}: needs --env, whose interpreter plays it")
    events = _events(plan)
    host = live(request.environment)
    world = World([host])

    def names(keys: list[int]) -> dict[int, str]:
        return {key: name.decode("utf-8", "surrogateescape") for key, name in host.names(keys).items()}

    return _Playing(lambda _: replay(world, host, host.interpreter.executable, events), (), names)


def _events(plan: Path) -> list[dict[str, Any]]:
    try:
        lines = plan.read_text("utf-8").splitlines()
        events = [json.loads(line) for line in lines if line.strip()]
    except OSError as error:
        raise UsageError(f"--plan {plan}: cannot be read: {error.strerror}; name a file of JSON lines") from error
    except ValueError as error:
        raise UsageError(f"--plan {plan}: no JSON lines ({error}); one object a line is expected") from error
    if not all(isinstance(event, dict) for event in events):
        raise UsageError(f"--plan {plan}: one JSON object a line is expected")
    return events

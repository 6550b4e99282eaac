"""abiclash bindings: which definition each reference gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL
from abiclash.errors import UsageError
from abiclash.parsing import read_json
from abiclash.readfile import read_text
from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from abiclash.errors import NotAnalysed
    from abiclash.linker.process import Process
    from abiclash.progress import Progress
    from abiclash.reports.bindings import Names
    from abiclash.scanning import ScanRequest


@dataclass(frozen=True, slots=True)
class _Playable:
    """What can be played. play: names in import order -> process. order: as they were given."""

    play: Callable[[tuple[str, ...]], Process]
    order: tuple[str, ...]
    names: Names
    not_analysed: Callable[..., Sequence[NotAnalysed]] = lambda *_: ()


@click.command(
    "bindings",
    epilog="""\b
Examples:
  abiclash bindings numpy scipy --order scipy,numpy --symbol 'cblas_*'
  abiclash bindings pyarrow==0.13.0 tensorflow==1.13.1 --python 3.7 --diff pyarrow,tensorflow tensorflow,pyarrow
  abiclash bindings pyarrow==0.13.0 --python 3.7 --why _ZSt11__once_call --object 'libstdc++.so.6*'
  abiclash bindings --env .venv --import numpy,scipy
  abiclash bindings --env .venv --plan loads.jsonl""",
)
@options.targets
@options.HOST
@options.FACTS
@options.IMPORT
@click.option("--plan", type=options.FILE, help="Play these loads (JSON lines) in the interpreter of --env.")
@click.option("--order", metavar="NAMES", help="Import order, with commas (default: as given).")
@click.option("--diff", nargs=2, metavar="ORDER1 ORDER2", help="Only what is bound differently in two orders.")
@click.option("--symbol", help="Only this symbol: a raw name, or a pattern with * and ?.")
@click.option("--object", "shared_object", help="Only references from or to this object: path, file name or pattern.")
@click.option("--why", metavar="SYMBOL", help="Tell step by step how --object came to its definition of this symbol.")
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
    why: str | None,
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
    from abiclash.reports import explanation  # noqa: PLC0415

    if plan is not None and (order or diff):
        raise UsageError("--plan plays one recorded sequence; --order and --diff need packages")
    if why is not None and (shared_object is None or diff):
        raise UsageError("--why needs --object, the library whose reference is to be explained, and no --diff")
    narrow = report.Narrow(why or symbol, shared_object)
    paint = terminal.paint(color, output)
    if plan is None:
        playable = _packages(request, options.names(imports), terminal.progress(quiet=quiet))
    else:
        playable = _recorded(request, plan)
    orders = [options.names(text) for text in diff or ([order] if order else [])] or [playable.order]
    processes = [playable.play(names) for names in orders]
    if why is not None:
        lines = explanation.explanations(processes[0], why, shared_object or "")
    elif diff:
        rows = report.difference(processes[0], processes[1], playable.names, narrow)
        lines = report.difference_lines(rows, paint) if form == "text" else (json.dumps(row) + "\n" for row in rows)
    else:
        shown = (processes[0], playable.names, narrow)
        lines = report.table(*shown, paint) if form == "text" else report.json_lines(*shown)
    terminal.write("".join(lines), output)
    failures = playable.not_analysed(*orders)
    for entry in failures:
        click.echo(f"abiclash: not analysed: {name(entry.what)}: {name(entry.reason, 1000)}", err=True)
    return PARTIAL if failures else 0


def _packages(request: ScanRequest, imports: tuple[str, ...], progress: Progress) -> _Playable:
    """Play the targets, or the named modules."""
    from abiclash.cli.playing import prepared  # noqa: PLC0415 - heavy

    playing = prepared(request, imports, progress)

    def play(names: tuple[str, ...]) -> Process:
        if unknown := [] if imports else sorted(set(names) - playing.setting.packages.keys()):
            known = ", ".join(playing.setting.packages)
            raise UsageError(f"{', '.join(unknown)}: no package of this set; there are {known}")
        return playing.player.imported(names).process

    return _Playable(play, playing.order, playing.setting.names, playing.not_analysed)


def _recorded(request: ScanRequest, plan: Path) -> _Playable:
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
        return {key: raw.decode("utf-8", "surrogateescape") for key, raw in host.names(keys).items()}

    return _Playable(lambda _: replay(world, host, host.interpreter.executable, events), (), names)


def _events(plan: Path) -> list[dict[str, Any]]:
    try:
        lines = read_text(plan).splitlines()
        events = [read_json(line) for line in lines if line.strip()]
    except OSError as error:
        raise UsageError(f"--plan {plan}: cannot be read: {error.strerror}; name a file of JSON lines") from error
    except ValueError as error:
        raise UsageError(f"--plan {plan}: no JSON lines ({error}); one object a line is expected") from error
    if not all(isinstance(event, dict) for event in events):
        raise UsageError(f"--plan {plan}: one JSON object a line is expected")
    return events

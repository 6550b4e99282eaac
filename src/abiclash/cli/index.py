"""abiclash index: read wheels into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import PARTIAL
from abiclash.errors import NotAnalysed, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.model import WheelFacts
    from abiclash.progress import Progress
    from abiclash.scan import ScanRequest


@click.command("index")
@options.wheels
@options.output("text", "json")
@options.QUIET
def command(*, form: str, output: Path | None, color: str, quiet: bool, **given: Any) -> int:
    """Read wheels into the store, so that later scans do not touch them.

    A TARGET is a requirement, a wheel file, a folder of wheels or a lock file, as for 'abiclash scan'; dependencies
    are read too.
    """
    request = options.request(**given)
    from abiclash.reports import index as report  # noqa: PLC0415 - heavy

    facts, failures = _index(request, terminal.progress(quiet=quiet))
    if not facts:
        raise SourceError("; ".join(f"{entry.what}: {entry.reason}" for entry in failures))
    failures = sorted({*failures, *(entry for wheel in facts for entry in wheel.not_analysed)})
    if form == "json":
        terminal.write(report.as_json(facts, failures), output)
    elif not quiet or failures:
        terminal.write(report.as_text([] if quiet else facts, failures, terminal.paint(color, output)), output)
    return PARTIAL if failures else 0


def _index(request: ScanRequest, progress: Progress) -> tuple[list[WheelFacts], list[NotAnalysed]]:
    """Resolve, fetch and read; return what is known now, and what is not."""
    from abiclash.facts.index import index_wheels  # noqa: PLC0415 - heavy
    from abiclash.facts.store import Store  # noqa: PLC0415
    from abiclash.sources.fetch import Fetcher  # noqa: PLC0415
    from abiclash.sources.resolve import Options, resolve  # noqa: PLC0415
    from abiclash.sources.target import parse_target, requirements_target  # noqa: PLC0415

    store = Store(request.cache)
    found = resolve(
        [*map(parse_target, request.targets), *(requirements_target(str(path)) for path in request.requirements)],
        request.python,
        request.platform,
        Options(store.root, offline=request.offline, refresh=request.refresh),
    )
    failures = [
        *found.not_analysed,
        *(NotAnalysed(str(path), "not a wheel: index reads wheels") for path in found.objects),
    ]
    if found.environment is not None:
        failures.append(NotAnalysed(str(found.environment), "an environment: its objects are read when it is scanned"))
    with Fetcher(store.root, offline=request.offline) as fetcher:
        files = fetcher.fetch_all(found.packages, progress)
    paths = [file for file in files if not isinstance(file, NotAnalysed)]
    results = index_wheels(paths, store, progress=progress)
    failures += [entry for entry in (*files, *results) if isinstance(entry, NotAnalysed)]
    if store.problem is not None:
        failures.append(NotAnalysed(str(store.root), str(store.problem)))
    return [facts for facts in results if not isinstance(facts, NotAnalysed)], failures

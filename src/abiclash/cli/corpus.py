"""abiclash corpus: named sets of packages, scanned pair by pair, kept as a history."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import FOUND, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abiclash.corpus.lock import Lock

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")

_PYTHON = click.option("--python", metavar="VERSION", help="Which of the corpus's Pythons (default: its first).")
_LIMIT = click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N packages.")
_CONSTRAINTS = click.option(
    "--constraint", "constraints", multiple=True, metavar="REQUIREMENT", help="Limit a version everywhere; repeatable."
)
_RESULTS = click.option(
    "--results", metavar="WHERE", envvar="ABICLASH_RESULTS", help="Folder or fsspec URL of results (default: cache)."
)
_OFFLINE = click.option("--offline", is_flag=True, help="Use only what is in caches and on this machine.")


@click.group("corpus", options_metavar="")
def command() -> None:
    """Scan named sets of packages pair by pair, compare runs, and publish them.

    NAME is one that 'corpus list' shows, or a TOML file of the same form.
    """


@command.command("list")
@options.output("text", "json")
def list_corpora(*, form: str, output: Path | None, color: str) -> None:
    """List the corpora that come with abiclash."""
    from abiclash.corpus import manifest  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    found = [manifest.load(name) for name in manifest.names()]
    shown = report.listing_as_json(found) if form == "json" else report.listing(found, terminal.paint(color, output))
    terminal.write(shown, output)


@command.command("show")
@click.argument("name")
@options.output("text", "json")
def show(*, name: str, form: str, output: Path | None, color: str) -> None:
    """Show one corpus: its source, variants and packages."""
    from abiclash.corpus import manifest  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    found = manifest.load(name)
    shown = report.listing_as_json([found]) if form == "json" else report.one(found, terminal.paint(color, output))
    terminal.write(shown, output)


@command.command("lock")
@click.argument("name")
@_PYTHON
@_LIMIT
@_CONSTRAINTS
@click.option("-o", "--output", type=options.FILE, help="Lock file to write (default: stdout).")
@options.CACHE
@_OFFLINE
@options.QUIET
def lock(*, output: Path | None, quiet: bool, **given: Any) -> int:
    """Pin a corpus to files and their hashes."""
    from abiclash.corpus import lock as locks  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    made = _locked(**given, quiet=quiet)
    terminal.write(locks.render(made), output)
    if not quiet:
        click.echo(report.of_lock(made, terminal.paint("never", None)), err=True, nl=False)
    return PARTIAL if any(root.problem for root in made.roots) else 0


def _locked(
    name: str,
    python: str | None,
    limit: int | None,
    constraints: tuple[str, ...],
    cache: Path | None,
    *,
    offline: bool,
    quiet: bool,
) -> Lock:
    from abiclash.corpus import lock as locks  # noqa: PLC0415 - heavy
    from abiclash.corpus import manifest  # noqa: PLC0415
    from abiclash.facts.store import default_root  # noqa: PLC0415
    from abiclash.sources.resolve import Options  # noqa: PLC0415

    corpus = manifest.load(name).limited(limit)
    how = Options(cache or default_root(), offline=offline)
    progress = terminal.progress(quiet=quiet)
    return locks.make_lock(corpus, corpus.variant(python), how, constraints=constraints, progress=progress)


def _size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("a size looks like 20GB or 500MB")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))


def _seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = _TIME.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("a time looks like 90s, 30m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


_SCAN: tuple[Callable[[Any], Any], ...] = (
    click.argument("name"),
    _PYTHON,
    _LIMIT,
    _CONSTRAINTS,
    click.option("--lock", "lock_file", type=options.FILE, help="Scan the files of this lock (default: lock now)."),
    _RESULTS,
    click.option("--executor", default="local", metavar="WHERE", help="local, or dask:ADDRESS, or dask:local:2."),
    click.option("--workers", type=click.IntRange(0), help="Local worker processes (default: one per processor)."),
    click.option("--disk", callback=_size, metavar="SIZE", help="Keep at most so many bytes of wheels, such as 20GB."),
    click.option("--time", "seconds", callback=_seconds, metavar="TIME", help="Stop after 30m or 2h; run again later."),
    click.option("--facts", default="", metavar="WHERE", help="Published facts (URL or folder) to use."),
    options.CACHE,
    _OFFLINE,
)


def _scan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_SCAN):
        function = option(function)
    return function


@command.command("scan")
@_scan_options
@options.output("text", "json")
@options.QUIET
def scan(*, form: str, output: Path | None, color: str, quiet: bool, **given: Any) -> int:
    """Find every pair of packages of a corpus that clash.

    Killed at any moment and started again, it goes on where it was and ends with the same result. Exit status: 1
    errors were found, 3 none but something could not be read, or the time is over.
    """
    from abiclash.corpus.pipeline import Unfinished  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    pipeline = _pipeline(**given, quiet=quiet)
    paint = terminal.paint(color, output)
    try:
        found = pipeline.run()
    except Unfinished as error:
        click.echo(f"abiclash: {error}", err=True)
        return PARTIAL
    finally:
        pipeline.executor.close()
        if not quiet:
            click.echo(report.costs(pipeline.meter.costs.values(), paint), err=True, nl=False)
    document = {"run": found.run, "snapshot": found.folder, "findings": found.findings, "packages": found.packages}
    shown = (
        report.as_json(document) if form == "json" else report.of_run(found.folder, found.run, found.findings, paint)
    )
    terminal.write(shown, output)
    if any(finding["severity"] == "error" for finding in found.findings):
        return FOUND
    return PARTIAL if any(package["not_analysed"] for package in found.packages) else 0


def _pipeline(
    name: str,
    lock_file: Path | None,
    results: str | None,
    executor: str,
    workers: int | None,
    disk: int | None,
    seconds: float | None,
    facts: str,
    cache: Path | None,
    *,
    offline: bool,
    quiet: bool,
    **given: Any,
) -> Any:
    from abiclash.corpus import lock as locks  # noqa: PLC0415 - heavy
    from abiclash.corpus.executor import make_executor  # noqa: PLC0415
    from abiclash.corpus.pipeline import Budget, Pipeline  # noqa: PLC0415
    from abiclash.facts.store import default_root  # noqa: PLC0415

    root = cache or default_root()
    if lock_file is None:
        found = _locked(name=name, cache=cache, offline=offline, quiet=quiet, **given)
    else:
        found = locks.read(lock_file)
        if given["limit"] is not None:
            found = found.limited(given["limit"])
    where = results or _kept(cache)
    engine = make_executor(executor, workers)
    budget, progress = Budget(disk, seconds), terminal.progress(quiet=quiet)
    return Pipeline(found, root, where, engine, budget, progress, facts, offline)


@command.command("diff")
@click.argument("name")
@click.argument("runs", nargs=-1, metavar="[RUN RUN]")
@_PYTHON
@_RESULTS
@options.CACHE
@options.output("text", "json")
def diff(
    *,
    name: str,
    runs: tuple[str, ...],
    python: str | None,
    results: str | None,
    cache: Path | None,
    form: str,
    output: Path | None,
    color: str,
) -> int:
    """Show what is new, gone and changed between two runs (default: the last two).

    A RUN is any part of a run's id. Exit status: 1 there is a new error.
    """
    from abiclash.corpus import history, manifest  # noqa: PLC0415 - heavy
    from abiclash.corpus.results import open_results  # noqa: PLC0415
    from abiclash.reports import corpora as report  # noqa: PLC0415

    corpus = manifest.load(name)
    slug = None if python is None else corpus.variant(python).slug
    old, new = history.chosen(open_results(results or _kept(cache)), corpus.name, runs, slug)
    changes = history.diff(old, new)
    documents = history.documents(changes)
    if form == "json":
        shown = report.as_json({"old": old.id, "new": new.id, "changes": documents})
    else:
        shown = report.of_diff(documents, old.id, new.id, terminal.paint(color, output))
    terminal.write(shown, output)
    return FOUND if any(one.change == "new" and one.severity == "error" for one in changes) else 0


def _kept(cache: Path | None) -> str:
    from abiclash.facts.store import default_root  # noqa: PLC0415 - heavy

    return str((cache or default_root()) / "corpora")


@command.command("bisect")
@options.targets
@options.HOST
@click.option("--finding", default="", metavar="ID", help="Only this finding (default: all errors of the two).")
@click.option("--reach", type=click.IntRange(1, 500), default=40, show_default=True, help="Older releases to look at.")
@options.output("text", "json")
def bisect(*, finding: str, reach: int, form: str, output: Path | None, color: str, **given: Any) -> int:
    """Find the release of the first package that brought a clash with the second.

    Give the first in a version that clashes ('numpy==2.0'), or without one for its newest.
    """
    from dataclasses import asdict  # noqa: PLC0415

    request = options.request(**given)
    from abiclash.corpus.bisecting import bisect as search  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    found = search(request, _releases(request), finding=finding, reach=reach)
    shown = (
        report.as_json(asdict(found)) if form == "json" else report.of_bisection(found, terminal.paint(color, output))
    )
    terminal.write(shown, output)
    return 0 if found.last_good is not None else FOUND


def _releases(request: Any) -> Callable[[Any], Any]:
    """Return what lists releases for the Python and platform of a request."""
    from abiclash.sources.platform import Platform, Python, Runtime  # noqa: PLC0415 - heavy
    from abiclash.sources.uvconfig import IndexSettings  # noqa: PLC0415
    from abiclash.suggest.releases import Releases  # noqa: PLC0415

    python = Python.parse(request.python) if request.python else Python.running()
    platform = Platform.parse(request.platform) if request.platform else Platform.running()
    runtime = Runtime(python, platform)
    return lambda _: Releases.of(runtime, IndexSettings.load(), offline=request.offline)

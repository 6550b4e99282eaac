"""abiclash corpus: named sets of packages, scanned pair by pair, kept as a history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import corpus_options, corpus_runs, options, terminal
from abiclash.cli.status import FOUND, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abiclash.corpus.lock import Lock


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
@corpus_options.PYTHON
@corpus_options.LIMIT
@corpus_options.CONSTRAINTS
@click.option("-o", "--output", type=options.FILE, help="Lock file to write (default: stdout).")
@options.CACHE
@corpus_options.OFFLINE
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
    progress = terminal.lasting_progress(quiet=quiet)
    return locks.make_lock(corpus, corpus.variant(python), how, constraints=constraints, progress=progress)


_SCAN: tuple[Callable[[Any], Any], ...] = (
    click.argument("name"),
    corpus_options.PYTHON,
    corpus_options.LIMIT,
    corpus_options.CONSTRAINTS,
    click.option("--lock", "lock_file", type=options.FILE, help="Scan the files of this lock (default: lock now)."),
    corpus_options.RESULTS,
    click.option("--executor", default="local", metavar="WHERE", help="local, or dask:ADDRESS, or dask:local:2."),
    click.option("--workers", type=click.IntRange(0), help="Local worker processes (default: one per processor)."),
    corpus_options.DISK,
    corpus_options.SECONDS,
    corpus_options.PARTIAL,
    options.FACTS,
    click.option(
        "--observe", is_flag=True, help="RUN THE PACKAGES' OWN CODE: import each in a throw-away environment first."
    ),
    options.CACHE,
    corpus_options.OFFLINE,
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
    totals = found.run["totals"]
    whole = totals["simulated"] == totals["candidates"] and not any(one["not_analysed"] for one in found.packages)
    return 0 if whole else PARTIAL


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
    observe: bool,
    partial: bool,
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
    where = results or corpus_options.kept(cache)
    engine = make_executor(executor, workers)
    budget, progress = Budget(disk, seconds, partial), terminal.lasting_progress(quiet=quiet)
    return Pipeline(found, root, where, engine, budget, progress, facts, offline, observe)


@command.command("nightly")
@click.argument("name")
@click.argument("folder", type=options.FILE)
@click.option("--repository", metavar="OWNER/NAME", help="Also look after its issues.")
@click.option("--send", is_flag=True, help="Really open and update issues (default: only say so).")
@click.option("--base-url", "base", default="", metavar="URL", help="Address of the site, for the feed.")
@click.option("--with-facts", is_flag=True, help="Also publish the facts of the wheels, for '--facts URL'.")
@corpus_options.DISK
@corpus_options.SECONDS
@corpus_options.LIMIT
@click.pass_context
def nightly(
    context: click.Context,
    *,
    name: str,
    folder: Path,
    repository: str | None,
    send: bool,
    base: str,
    with_facts: bool,
    disk: int | None,
    seconds: float | None,
    limit: int | None,
) -> int:
    """Scan today's releases, publish the site and look after issues: all in FOLDER, for cron.

    Started again on the same day, it goes on with the same files. FOLDER/site is the site.
    """
    import datetime as dt  # noqa: PLC0415

    from abiclash.corpus import lock as locks  # noqa: PLC0415 - heavy

    today = dt.datetime.now(dt.UTC).date().isoformat()
    pinned, where, cache = folder / "locks" / f"{today}.json", str(folder / "results"), folder / "cache"
    if not pinned.is_file():
        pinned.parent.mkdir(parents=True, exist_ok=True)
        found = _locked(name, None, limit, (), cache, offline=False, quiet=True)
        scratch = pinned.with_suffix(".tmp")
        scratch.write_text(locks.render(found), "utf-8")
        scratch.replace(pinned)
    status: int = context.invoke(
        scan, name=name, lock_file=pinned, results=where, cache=cache, disk=disk, seconds=seconds, quiet=True,
        form="text", output=None, color="never", executor="local", workers=None, facts="", offline=False,
        observe=False, partial=True, python=None, limit=None, constraints=(),
    )  # fmt: skip
    context.invoke(
        corpus_runs.publish, name=name, folder=folder / "site", python=None, results=where, base=base,
        with_facts=with_facts, cache=cache, quiet=True,
    )  # fmt: skip
    if repository is not None:
        context.invoke(
            corpus_runs.issues, name=name, repository=repository, send=send, python=None, results=where, cache=cache
        )
    return PARTIAL if status == PARTIAL else 0


for _each in corpus_runs.COMMANDS:
    command.add_command(_each)

"""abiclash corpus diff, bisect, publish and issues: what is done with finished runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import corpus_options, options, terminal
from abiclash.cli.status import FOUND
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@click.command("diff")
@click.argument("name")
@click.argument("runs", nargs=-1, metavar="[RUN RUN]")
@corpus_options.PYTHON
@corpus_options.RESULTS
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
    old, new = history.chosen(open_results(results or corpus_options.kept(cache)), corpus.name, runs, slug)
    changes = history.diff(old, new)
    documents = history.documents(changes)
    if form == "json":
        shown = report.as_json({"old": old.id, "new": new.id, "changes": documents})
    else:
        shown = report.of_diff(documents, old.id, new.id, terminal.paint(color, output))
    terminal.write(shown, output)
    return FOUND if any(one.change == "new" and one.severity == "error" for one in changes) else 0


@click.command("bisect")
@options.targets
@options.HOST
@options.FACTS
@click.option("--finding", default="", metavar="ID", help="Only this finding (default: all errors of the two).")
@click.option("--reach", type=click.IntRange(1, 500), default=40, show_default=True, help="Releases to look at.")
@click.option("--cured", is_flag=True, help="Look at newer releases: which one ended it.")
@options.output("text", "json")
def bisect(*, finding: str, reach: int, cured: bool, form: str, output: Path | None, color: str, **given: Any) -> int:
    """Find the release of the first package that brought a clash with the second, or cured it.

    Give the first in a version that clashes ('numpy==2.0'), or without one for its newest.
    """
    from dataclasses import asdict  # noqa: PLC0415

    request = options.request(**given)
    from abiclash.corpus.bisecting import bisect as search  # noqa: PLC0415 - heavy
    from abiclash.reports import corpora as report  # noqa: PLC0415

    found = search(request, _releases(request), finding=finding, reach=reach, ahead=cured)
    shown = (
        report.as_json(asdict(found)) if form == "json" else report.of_bisection(found, terminal.paint(color, output))
    )
    terminal.write(shown, output)
    return 0 if found.good is not None else FOUND


def _releases(request: Any) -> Callable[[Any], Any]:
    """Return what lists releases for the Python and platform of a request."""
    from abiclash.sources.platform import Platform, Python, Runtime  # noqa: PLC0415 - heavy
    from abiclash.sources.uvconfig import IndexSettings  # noqa: PLC0415
    from abiclash.suggest.releases import Releases  # noqa: PLC0415

    python = Python.parse(request.python) if request.python else Python.running()
    platform = Platform.parse(request.platform) if request.platform else Platform.running()
    runtime = Runtime(python, platform)
    return lambda _: Releases.of(runtime, IndexSettings.load(), offline=request.offline)


@click.command("publish")
@click.argument("name")
@click.argument("folder", type=options.FILE)
@corpus_options.PYTHON
@corpus_options.RESULTS
@click.option("--base-url", "base", default="", metavar="URL", help="Address of the site, for the feed.")
@click.option(
    "--with-facts",
    is_flag=True,
    help="Also the facts of the wheels, for all Pythons that were scanned, for '--facts URL'.",
)
@options.CACHE
@options.QUIET
def publish(
    *,
    name: str,
    folder: Path,
    python: str | None,
    results: str | None,
    base: str,
    with_facts: bool,
    cache: Path | None,
    quiet: bool,
) -> None:
    """Write the runs of a corpus as a static site into FOLDER, which is replaced as a whole.

    Per package, with whom it clashes, what it leaks and its history; per rule its findings; trends, search, a JSON
    Feed of new conflicts, and findings, packages and pairs as Parquet. 'check --facts URL/facts' takes the facts.
    """
    from abiclash.corpus import manifest, snapshot  # noqa: PLC0415 - heavy
    from abiclash.corpus.results import open_results  # noqa: PLC0415
    from abiclash.corpus.site.publish import publish as write  # noqa: PLC0415
    from abiclash.facts.store import Store  # noqa: PLC0415

    corpus = manifest.load(name)
    kept = open_results(results or corpus_options.kept(cache))
    chosen = corpus.variant(python)
    runs = snapshot.snapshots(kept, corpus.name, chosen.slug)
    variants = [snapshot.snapshots(kept, corpus.name, each.slug) for each in corpus.variants if each != chosen]
    address = base and base.rstrip("/") + "/"
    facts = Store(cache) if with_facts else None
    others = [found[-1] for found in variants if found]
    count = write(corpus.title, runs, folder, base=address, facts=facts, others=others)
    if not quiet:
        click.echo(f"abiclash: {count} files in {folder}", err=True)


@click.command("issues")
@click.argument("name")
@click.option("--repository", required=True, metavar="OWNER/NAME", help="Whose issues.")
@click.option("--send", is_flag=True, help="Do it (default: only say what would be done). Needs GITHUB_TOKEN.")
@corpus_options.PYTHON
@corpus_options.RESULTS
@options.CACHE
def issues(
    *, name: str, repository: str, send: bool, python: str | None, results: str | None, cache: Path | None
) -> None:
    """Open or update one issue for each error of the latest run.

    An issue that somebody closed is left alone.
    """
    from abiclash.corpus import manifest, snapshot, tracker  # noqa: PLC0415 - heavy
    from abiclash.corpus.results import open_results  # noqa: PLC0415

    corpus = manifest.load(name)
    slug = corpus.variant(python).slug
    runs = snapshot.snapshots(open_results(results or corpus_options.kept(cache)), corpus.name, slug)
    if not runs:
        raise UsageError(f"corpus issues {name}: there is no run yet; make one with 'corpus scan'")
    hub = tracker.GitHub(repository)
    actions = tracker.planned(runs[-1], hub.issues())
    for action in actions:
        if send:
            hub.carry_out(action)
        what = f"{action.kind} {action.number or ''}".strip()
        terminal.write(f"{'' if send else 'would '}{what}: {action.title} ({action.finding})\n", None)
    if not actions:
        terminal.write("nothing to do\n", None)


COMMANDS = (diff, bisect, publish, issues)

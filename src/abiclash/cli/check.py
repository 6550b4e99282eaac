"""abiclash check: the gate of a wheel, for its maintainer and for an index."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from packaging.utils import canonicalize_name

from abiclash.cli import options, terminal
from abiclash.cli.status import FOUND, PARTIAL
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.control.suppressions import Suppression
    from abiclash.gate.bounded import Scanner
    from abiclash.gate.check import Checked
    from abiclash.gate.policy import Policy
    from abiclash.reports.gate import Verdict
    from abiclash.reports.paint import Paint
    from abiclash.scanning import ScanRequest

POPULAR = "popular"
"""The corpus of neighbours that is meant where published facts are given and nobody is named."""


@click.command(
    "check",
    epilog="""\b
Examples:
  abiclash check dist/*.whl                                   # hygiene: what the wheel does by itself
  abiclash check dist/*.whl --against numpy,pandas,torch      # and beside these
  abiclash check dist/*.whl --against popular                 # beside fifty popular packages, or a file of names
  abiclash check dist/*.whl --facts https://example.org/facts # the same, without downloading those
  abiclash check --diff demo-1.0-....whl demo-1.1-....whl     # what a release changes for its neighbours
  abiclash check dist/*.whl --format sarif -o check.sarif     # for code scanning
  abiclash check upload.whl --policy gate.toml --time-limit 60 --memory-limit 2048 --format json

\b
Exit status: 0 nothing blocks; 1 something does; 2 could not be done;
3 nothing blocks, but some input could not be analysed (a policy may let that block).
What blocks: [tool.abiclash.check] in pyproject.toml, or --policy FILE; see docs/check.md.""",
)
@click.argument("wheels", nargs=-1, metavar="WHEEL...", type=options.FILE)
@click.option("--against", multiple=True, metavar="NAMES", help="Neighbours: names and corpora with commas, or a file.")
@click.option("--diff", is_flag=True, help="Compare two wheels, OLD and NEW, of one project.")
@click.option("--policy", type=options.FILE, help="TOML file that says what blocks (default: the configuration).")
@click.option("--time-limit", type=click.IntRange(1), metavar="SECONDS", help="For everything (default: 300).")
@click.option(
    "--memory-limit",
    type=click.IntRange(64),
    metavar="MB",
    help="Of data in memory of a process; neighbours take two (default: 4096).",
)
@click.option("--no-deps", is_flag=True, help="Leave dependencies out; what needs them is then not analysed.")
@options.PYTHON
@options.PLATFORM
@options.HOST
@options.FACTS
@options.CACHE
@options.OFFLINE
@options.output("text", "json", "sarif")
def command(
    *,
    wheels: tuple[Path, ...],
    against: tuple[str, ...],
    diff: bool,
    policy: Path | None,
    time_limit: int | None,
    memory_limit: int | None,
    no_deps: bool,
    python: str | None,
    platform: str | None,
    host: str | None,
    facts: str,
    cache: Path | None,
    offline: bool,
    form: str,
    output: Path | None,
    color: str,
) -> int:
    """Check wheels before they are uploaded: by themselves, and beside other packages.

    Each wheel is judged for the Python and platform of its own tags. Scans run in a process of their own that is
    stopped when time or memory runs out; what was not reached is listed as not analysed.
    """
    paths = _wheels(wheels)
    if diff and len(paths) != 2:
        raise UsageError("--diff needs two wheels, OLD and NEW")
    from dataclasses import replace  # noqa: PLC0415 - start-up

    from abiclash.gate.bounded import Scanner  # noqa: PLC0415 - heavy
    from abiclash.gate.check import TOGETHER  # noqa: PLC0415
    from abiclash.scanning import ScanRequest  # noqa: PLC0415

    stated, suppressions = _policy(policy)
    seconds, megabytes = time_limit or stated.seconds, memory_limit or stated.megabytes
    gate_policy = replace(stated, seconds=seconds, megabytes=megabytes, facts=facts or stated.facts)
    like = ScanRequest(
        targets=(),
        python=python,
        platform=platform,
        host=host,
        cache=cache,
        offline=offline,
        facts=gate_policy.facts,
        dependencies=not no_deps,
        verify=True,
    )
    paint = terminal.paint(color, output)
    named = _neighbours(against, gate_policy)
    with ExitStack() as stack:
        count = 2 if len(named) > TOGETHER and len(os.sched_getaffinity(0)) > 1 else 1
        scanners = [stack.enter_context(Scanner(seconds, megabytes)) for _ in range(count)]
        if diff:
            word, text = _difference(paths, scanners[0], gate_policy, like, form, paint)
        else:
            word, text = _judged(paths, named, scanners, gate_policy, suppressions, like, form, paint)
    terminal.write(text, output)
    return {"block": FOUND, "incomplete": PARTIAL}.get(word, 0)


def _wheels(paths: Sequence[Path]) -> list[Path]:
    from abiclash.sources.target import wheel_target  # noqa: PLC0415 - start-up

    if not paths:
        raise UsageError("no wheel is named; build one, then: abiclash check dist/*.whl")
    return [wheel_target(str(path), path).path for path in paths]


def _neighbours(against: Sequence[str], policy: Policy) -> tuple[str, ...]:
    """Return the named neighbours; with published facts the popular ones, as they cost little then."""
    from abiclash.cli.neighbours import neighbours  # noqa: PLC0415 - start-up

    return neighbours(against or policy.against or ([POPULAR] if policy.facts else []))


def _judged(
    paths: Sequence[Path],
    named: Sequence[str],
    scanners: Sequence[Scanner],
    policy: Policy,
    suppressions: Sequence[Suppression],
    like: ScanRequest,
    form: str,
    paint: Paint,
) -> tuple[str, str]:
    """Return the verdict on wheels, and the report."""
    from abiclash.gate.check import check  # noqa: PLC0415 - heavy
    from abiclash.reports import gate, gate_sarif  # noqa: PLC0415
    from abiclash.reports.places import wheel_place  # noqa: PLC0415

    verdicts = [_verdict(check(path, named, scanners, like), policy, suppressions) for path in paths]
    if form == "sarif":
        owners = zip(paths, verdicts, strict=True)
        places = {path.name: wheel_place(path, verdict.checked.name) for path, verdict in owners}
        return gate.worst(verdicts), gate_sarif.as_sarif(verdicts, places)
    return gate.worst(verdicts), gate.as_json(verdicts) if form == "json" else gate.as_text(verdicts, paint)


def _difference(
    paths: Sequence[Path], scanner: Scanner, policy: Policy, like: ScanRequest, form: str, paint: Paint
) -> tuple[str, str]:
    """Return the verdict on what a release changes, and the report."""
    from abiclash.errors import NotAnalysed  # noqa: PLC0415 - start-up
    from abiclash.gate.difference import Difference  # noqa: PLC0415 - heavy
    from abiclash.gate.worker import Refused  # noqa: PLC0415
    from abiclash.reports import difference as report  # noqa: PLC0415
    from abiclash.reports.places import wheel_place  # noqa: PLC0415

    old, new = paths
    found = scanner.compare(old, new, like.cache)
    if isinstance(found, Refused):
        found = Difference(old.name, new.name, (), (NotAnalysed(new.name, found.reason),))
    blocking = policy.block_changes & {change.kind for change in found.changes if change.new}
    blocked = bool(blocking) or (bool(found.not_analysed) and policy.incomplete)
    release = report.Release(found, blocking, _word(blocked=blocked, incomplete=bool(found.not_analysed)))
    if form == "sarif":
        project = canonicalize_name(new.name.partition("-")[0])
        return release.verdict, report.as_sarif(release, project, wheel_place(new, project))
    return release.verdict, report.as_json(release) if form == "json" else report.as_text(release, paint)


def _policy(path: Path | None) -> tuple[Policy, tuple[Suppression, ...]]:
    """Return what blocks, and what is accepted: of a policy file, or of the configuration."""
    from abiclash.control.suppressions import find_config, read_file, read_suppressions, read_table  # noqa: PLC0415
    from abiclash.gate.policy import Policy, read_policy  # noqa: PLC0415
    from abiclash.rules.registry import rules  # noqa: PLC0415

    known = frozenset(entry.rule.id for entry in rules())
    if path is not None:
        return read_policy(read_file(path), str(path), known), ()
    config = find_config(Path.cwd())
    if config is None:
        return Policy(), ()
    return read_policy(read_table(config, "check"), f"{config}, check", known), read_suppressions(config, known)


def _verdict(checked: Checked, policy: Policy, suppressions: Sequence[Suppression]) -> Verdict:
    import datetime as dt  # noqa: PLC0415 - start-up

    from abiclash.control.filters import Filters  # noqa: PLC0415 - start-up
    from abiclash.control.view import view  # noqa: PLC0415 - start-up
    from abiclash.reports.gate import Verdict  # noqa: PLC0415 - heavy

    found = [*checked.hygiene, *(finding for each in checked.neighbours for finding in each.findings)]
    seen = view(found, Filters(), Filters(), suppressions, today=dt.datetime.now(tz=dt.UTC).date())
    accepted = {identity: entry.reason for identity, entry in seen.suppressed.items()}
    blocking = frozenset(finding.id for finding in found if finding.id not in accepted and policy.blocks(finding))
    incomplete = bool(checked.not_analysed)
    blocked = bool(blocking) or (incomplete and policy.incomplete)
    return Verdict(checked, blocking, accepted, _word(blocked=blocked, incomplete=incomplete))


def _word(*, blocked: bool, incomplete: bool) -> str:
    return "block" if blocked else "incomplete" if incomplete else "pass"

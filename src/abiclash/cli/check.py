"""abiclash check: the gate of a wheel, for its maintainer and for an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from abiclash.cli import options, terminal
from abiclash.cli.status import FOUND, PARTIAL
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.control.suppressions import Suppression
    from abiclash.gate.check import Checked
    from abiclash.gate.policy import Policy
    from abiclash.reports.gate import Verdict


@click.command(
    "check",
    epilog="""\b
Examples:
  abiclash check dist/*.whl                                   # hygiene: what the wheel does by itself
  abiclash check dist/*.whl --against numpy,pandas,torch      # and beside these
  abiclash check dist/*.whl --against ml-stack                # beside a corpus (see corpora/), or a file of names
  abiclash check dist/*.whl --against ml-stack --facts https://example.org/facts
  abiclash check --diff demo-1.0-....whl demo-1.1-....whl     # what a release changes for its neighbours
  abiclash check upload.whl --policy gate.toml --time-limit 60 --memory-limit 2048 --format json

\b
Exit status: 0 nothing blocks; 1 something does; 2 could not be done;
3 nothing blocks, but some input could not be analysed (a policy may let that block).
What blocks: [tool.abiclash.check] in pyproject.toml, or --policy FILE; see docs/check.md.""",
)
@click.argument("wheels", nargs=-1, metavar="WHEEL...", type=options.FILE)
@click.option("--against", multiple=True, metavar="NAMES", help="Neighbours: names with commas, a corpus, or a file.")
@click.option("--diff", is_flag=True, help="Compare two wheels, OLD and NEW, of one project.")
@click.option("--policy", type=options.FILE, help="TOML file that says what blocks (default: the configuration).")
@click.option("--time-limit", type=click.IntRange(1), metavar="SECONDS", help="For everything (default: 300).")
@click.option("--memory-limit", type=click.IntRange(64), metavar="MB", help="Of data in memory (default: 4096).")
@click.option("--no-deps", is_flag=True, help="Leave dependencies out; libraries that they bring are missing then.")
@options.PYTHON
@options.PLATFORM
@options.HOST
@options.FACTS
@options.CACHE
@options.OFFLINE
@options.output("text", "json")
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
    if diff:
        return _difference(paths, cache, form, output, color)
    from dataclasses import replace  # noqa: PLC0415 - start-up

    from abiclash.cli.neighbours import neighbours  # noqa: PLC0415
    from abiclash.gate.bounded import Scanner  # noqa: PLC0415 - heavy
    from abiclash.gate.check import check  # noqa: PLC0415
    from abiclash.reports import gate  # noqa: PLC0415
    from abiclash.scanning import ScanRequest  # noqa: PLC0415

    gate_policy, suppressions = _policy(policy)
    gate_policy = replace(
        gate_policy,
        seconds=time_limit or gate_policy.seconds,
        megabytes=memory_limit or gate_policy.megabytes,
    )
    named = neighbours(against or gate_policy.against)
    like = ScanRequest(
        targets=(),
        python=python,
        platform=platform,
        host=host,
        cache=cache,
        offline=offline,
        facts=facts,
        dependencies=not no_deps,
        verify=True,
    )
    with Scanner(gate_policy.seconds, gate_policy.megabytes) as scanner:
        verdicts = [_verdict(check(path, named, scanner, like), gate_policy, suppressions) for path in paths]
    text = gate.as_json(verdicts) if form == "json" else gate.as_text(verdicts, terminal.paint(color, output))
    terminal.write(text, output)
    words = {verdict.verdict for verdict in verdicts}
    return FOUND if "block" in words else PARTIAL if "incomplete" in words else 0


def _wheels(paths: Sequence[Path]) -> list[Path]:
    from abiclash.sources.target import wheel_target  # noqa: PLC0415 - start-up

    if not paths:
        raise UsageError("no wheel is named; build one, then: abiclash check dist/*.whl")
    return [wheel_target(str(path), path).path for path in paths]


def _difference(paths: Sequence[Path], cache: Path | None, form: str, output: Path | None, color: str) -> int:
    if len(paths) != 2:
        raise UsageError("--diff needs two wheels, OLD and NEW")
    from abiclash.facts.store import Store  # noqa: PLC0415 - heavy
    from abiclash.gate.difference import compare  # noqa: PLC0415
    from abiclash.reports import gate  # noqa: PLC0415

    found = compare(paths[0], paths[1], Store(cache))
    text = gate.difference_json(found) if form == "json" else gate.difference_text(found, terminal.paint(color, output))
    terminal.write(text, output)
    return 0


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
    word = "block" if blocked else "incomplete" if incomplete else "pass"
    return Verdict(checked, blocking, accepted, word)

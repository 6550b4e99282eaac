"""abiclash explain: one finding, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from abiclash.cli import options, terminal
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding, ScanResult


@click.command(
    "explain",
    epilog="""\b
  abiclash scan tensorflow pyarrow --format json -o result.json
  abiclash explain split-state --report result.json
  abiclash explain split-state-2fb146ad tensorflow==1.13.1 pyarrow==0.13.0 --python 3.7 --format script

\b
The script (bash, with uv on the PATH) makes an environment, shows the failing and the passing order, and exits with
0 where both come true, 1 where not, 2 where the environment cannot be made. Exit status of explain: 0; 2 not done.""",
)
@click.argument("identity", metavar="FINDING")
@options.targets
@options.HOST
@options.FACTS
@click.option("--report", type=options.FILE, help="JSON or SARIF of an earlier scan, instead of scanning TARGETs.")
@options.output("text", "script")
@options.QUIET
def command(
    *, identity: str, report: Path | None, form: str, output: Path | None, color: str, quiet: bool, **given: Any
) -> None:
    """Tell how FINDING comes about, and make a script that shows it.

    FINDING is an id from a report, or the beginning of one. With TARGETs the packages are scanned anew, and it is also
    told how each object gets loaded.
    """
    named = bool(given["targets"] or given["requirements"] or given["environment"])
    if report is not None and named:
        raise UsageError("--report and TARGETs: name one of them; what was scanned is in the report")
    result, case = _read(report) if report is not None else _scan(given, quiet=quiet)
    finding = _choose(result.findings, identity)
    from abiclash.reports import chain  # noqa: PLC0415 - heavy
    from abiclash.reports.reproducer import script  # noqa: PLC0415

    if form == "script":
        terminal.write(script(finding, result), output)
        return
    try:
        shown = script(finding, result)
    except UsageError as error:
        shown = f"# no script: {error}"
    terminal.write(chain.as_text(finding, result, case, shown, terminal.paint(color, output)), output)


def _read(report: Path) -> tuple[ScanResult, Case | None]:
    from abiclash.reports.stored import read_report  # noqa: PLC0415 - start-up

    return read_report(report), None


def _scan(given: dict[str, Any], *, quiet: bool) -> tuple[ScanResult, Case | None]:
    request = options.request(**given)
    from abiclash import scanning  # noqa: PLC0415 - heavy, and the arguments are known to be right

    scanned = scanning.played(request, terminal.progress(quiet=quiet))
    return scanned.result, scanned.case


def _choose(findings: Sequence[Finding], identity: str) -> Finding:
    """Return the finding that an id or its beginning means."""
    exact = [finding for finding in findings if finding.id == identity]
    found = exact or [finding for finding in findings if finding.id.startswith(identity)]
    if len(found) == 1:
        return found[0]
    if not found:
        have = ", ".join(finding.id for finding in findings[:8]) or "none"
        raise UsageError(f"{identity}: there is no such finding; there are: {have}")
    several = ", ".join(finding.id for finding in found[:8])
    raise UsageError(f"{identity}: {len(found)} findings begin so ({several}); write more of the id")

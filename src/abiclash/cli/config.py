"""abiclash config: which configuration applies here, and its schema."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click


@click.command(
    "config",
    epilog="""\b
Examples:
  abiclash config                                  # which file applies here, and whether it is right
  abiclash config --schema > abiclash.schema.json  # for an editor: see docs/configuration.md""",
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the configuration.")
def command(*, schema: bool) -> int:
    """Say which configuration applies in this folder, and check it.

    It is the nearest abiclash.toml, or pyproject.toml with a table [tool.abiclash], here or in a folder above.
    """
    if schema:
        file = resources.files("abiclash.control").joinpath("schema/config-1.json")
        click.echo(file.read_text("utf-8"), nl=False)
        return 0
    from abiclash.control.suppressions import find_config, read_suppressions, read_table  # noqa: PLC0415 - start-up
    from abiclash.gate.policy import read_policy  # noqa: PLC0415
    from abiclash.reports.safe import name  # noqa: PLC0415
    from abiclash.rules.registry import rules  # noqa: PLC0415

    path = find_config(Path.cwd())
    if path is None:
        click.echo("no configuration applies here; write abiclash.toml, or [tool.abiclash] in pyproject.toml")
        return 0
    known = frozenset(entry.rule.id for entry in rules())
    entries = read_suppressions(path, known)
    table = read_table(path, "check")
    read_policy(table, f"{path}, check", known)
    stated = f"{len(table)} keys of check" if table else "no table check"
    click.echo(f"{name(str(path))}: {len(entries)} entries of suppress, {stated}")
    return 0

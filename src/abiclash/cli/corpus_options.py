"""Options that the commands on corpora share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smh]?)")

PYTHON = click.option("--python", metavar="VERSION", help="Which of the corpus's Pythons (default: its first).")
LIMIT = click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N packages.")
CONSTRAINTS = click.option(
    "--constraint", "constraints", multiple=True, metavar="REQUIREMENT", help="Limit a version everywhere; repeatable."
)
RESULTS = click.option(
    "--results", metavar="WHERE", envvar="ABICLASH_RESULTS", help="Folder or fsspec URL of results (default: cache)."
)
OFFLINE = click.option("--offline", is_flag=True, help="Use only what is in caches and on this machine.")


def kept(cache: Path | None) -> str:
    """Return where results lie unless told otherwise."""
    from abiclash.facts.store import default_root  # noqa: PLC0415 - heavy

    return str((cache or default_root()) / "corpora")


def size(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("a size looks like 20GB or 500MB")
    return int(float(match[1]) * 1000 ** " KMGT".index(match[2].upper() or " "))


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = _TIME.fullmatch(value.strip())
    if match is None:
        raise click.BadParameter("a time looks like 90s, 30m or 2h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


DISK = click.option("--disk", callback=size, metavar="SIZE", help="Keep at most so many wheels at once, such as 20GB.")
PARTIAL = click.option(
    "--partial", is_flag=True, help="When the time is over, end with the pairs that were played; the rest is counted."
)
SECONDS = click.option("--time", "seconds", callback=seconds, metavar="TIME", help="Stop after 30m or 2h; run again.")

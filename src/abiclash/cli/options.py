"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.scanning import ScanRequest

FILE = click.Path(path_type=Path)

CACHE = click.option("--cache", type=FILE, envvar="ABICLASH_CACHE", help="Folder of fetched wheels and their facts.")

PYTHON = click.option(
    "--python", metavar="VERSION", help="CPython version to look at, such as 3.11 (default: this one)."
)
PLATFORM = click.option(
    "--platform", metavar="TAG", help="Platform tag, such as manylinux_2_28_x86_64 (default: this one)."
)
OFFLINE = click.option("--offline", is_flag=True, help="Use only what is in caches and on this machine.")

_TARGETS = (
    click.argument("targets", nargs=-1, metavar="[TARGET]..."),
    click.option("-r", "--requirement", "requirements", multiple=True, type=FILE, help="A requirements file."),
    click.option("--env", "environment", type=FILE, help="An installed environment (its folder)."),
    PYTHON,
    PLATFORM,
    CACHE,
    OFFLINE,
    click.option("--refresh", is_flag=True, help="Ask the package index again, whatever is kept."),
)
FACTS = click.option(
    "--facts", default="", metavar="WHERE", help="URL or folder of published facts, instead of downloading wheels."
)
HOST = click.option("--host", metavar="PROFILE", help="Host profile: see 'abiclash host list' (default: by platform).")
IMPORT = click.option(
    "--import", "imports", metavar="MODULES", help="Import these, with commas (default: the packages)."
)

_COLOR = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours; auto: on a terminal."
)


def _writable(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:  # noqa: ARG001
    """Refuse a file that cannot be written before the work is done, not after."""
    if path is None:
        return None
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file for -o")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}; make it, or choose another -o FILE")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path}: cannot be written: permission denied; choose another -o FILE")
    return path


_OUTPUT = click.option("-o", "--output", type=FILE, callback=_writable, help="Write to this file instead of stdout.")
MEMORY = click.option(
    "--memory",
    type=click.FloatRange(min=0),
    metavar="GIB",
    callback=lambda _context, _option, value: _limit(value),
    help="Of data in memory, for each process that runs the packages' code; 0 for no limit  [default: 16, and at most"
    " three quarters of the machine's]",
)
QUIET = click.option("-q", "--quiet", is_flag=True, help="Short output, no progress.")
VERBOSE = click.option("-v", "--verbose", is_flag=True, help="Whole lists, nothing summed up.")


def _limit(gib: float | None) -> int | None:
    """Return bytes; None for no limit."""
    from abiclash.lab.run import usual_memory  # noqa: PLC0415 - only what runs code needs it

    return usual_memory() if gib is None else int(gib * (1 << 30)) or None


def targets(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what to look at; the function gets them as keywords, for `request`."""
    for option in reversed(_TARGETS):
        function = option(function)
    return function


def output(*formats: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --format (the first is the default), -o and --color."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        kinds = click.Choice(formats)
        choice = click.option(
            "--format", "form", type=kinds, default=formats[0], show_default=True, help="Of the output."
        )
        return choice(_OUTPUT(_COLOR(function)))

    return add


def request(**given: Any) -> ScanRequest:
    """Return the request that the options of `targets` make; UsageError where they make no sense."""
    from abiclash.scanning import ScanRequest  # noqa: PLC0415 - after the arguments are known to be right

    if not (given["targets"] or given["requirements"] or given.get("environment")):
        raise UsageError("nothing to look at; name a TARGET, or use -r FILE or --env FOLDER")
    return ScanRequest(**given)


def names(text: str | None) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas, as in --import numpy,scipy."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def manifests(request: ScanRequest) -> tuple[Path, ...]:
    """Return the requirements and lock files that a request names, in the order of the command line."""
    locks = [Path(text) for text in request.targets if text.endswith((".lock", ".toml"))]
    return (*locks, *request.requirements)

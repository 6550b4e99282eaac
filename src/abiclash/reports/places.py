"""Where a package was asked for: a line of a requirements or lock file, or else its wheel."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from packaging.utils import canonicalize_name

from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abiclash.rules.model import ScannedPackage

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_LOCKED = re.compile(r"""\s*(?:\[\[packages\]\]|\{)?\s*name\s*=\s*["']([^"']+)["']""")
_MOST = 8_000_000
"""Characters of a file that are looked at; lock files of large projects have a few megabytes."""


class Place(NamedTuple):
    """uri: relative, percent-encoded. line: from 1."""

    uri: str
    line: int


def places(packages: Iterable[ScannedPackage], manifests: Iterable[Path]) -> dict[str, Place]:
    """Return where each package is named; one that no file names (a dependency) is at the head of the first file."""
    files = list(manifests)
    lines: dict[str, Place] = {}
    for path in files:
        for package, line in _named(path):
            lines.setdefault(package, Place(_uri(path), line))
    head = Place(_uri(files[0]), 1) if files else None
    return {package.name: lines.get(package.name) or head or Place(_wheel(package), 1) for package in packages}


def place_of(package: str, known: Mapping[str, Place]) -> Place:
    """Return the place of a package that a finding names, whatever it is."""
    return known.get(package) or Place(quote(name(package)), 1)


def wheel_place(path: Path, project: str) -> Place:
    """Return where findings of a wheel file are to be shown: its project's name in ./pyproject.toml, else the file.

    project: normalised name. The file of a release is in no repository, and its next release has another name.
    """
    source = Path("pyproject.toml")
    try:
        content = source.read_text("utf-8")
        named = canonicalize_name(str(tomllib.loads(content)["project"]["name"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Place(_uri(path), 1)
    if named != project:
        return Place(_uri(path), 1)
    lines = enumerate(content.split("\n"), start=1)
    line = next((number for number, text in lines if (match := _LOCKED.match(text)) and _is(match[1], project)), 1)
    return Place(_uri(source), line)


def _is(text: str, project: str) -> bool:
    return canonicalize_name(text) == project


def _named(path: Path) -> Iterator[tuple[str, int]]:
    pattern = _LOCKED if path.suffix in (".lock", ".toml") else _REQUIREMENT
    try:
        text = path.read_text("utf-8", errors="replace")[:_MOST]
    except OSError:  # it was read before; gone by now
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if match := pattern.match(line):
            yield canonicalize_name(match[1]), number


def _uri(path: Path) -> str:
    """Return a path relative to the current folder; of files elsewhere only the name, as nobody else has them there."""
    full, here = path.resolve(), Path.cwd()
    return quote((full.relative_to(here) if full.is_relative_to(here) else Path(full.name)).as_posix())


def _wheel(package: ScannedPackage) -> str:
    return quote(name(package.wheel or package.name))

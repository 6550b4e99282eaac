"""Corpora: named sets of packages, as TOML files that come with abiclash or lie in a folder of the user's."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from abiclash.errors import SourceError, UsageError
from abiclash.parsing import read_toml
from abiclash.readfile import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INSTALLED = Path(__file__).parent / "sets"
_CLONE = Path(__file__).parents[3] / "corpora"
_KEYS = {"name", "title", "source", "packages", "query", "python", "platforms", "hosts", "orders", "constraints"}
_ORDERS = ("all", "given")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of looking at a corpus. python: "3.11". platform: a platform tag. host: name of a host profile."""

    python: str
    platform: str
    host: str

    def __str__(self) -> str:
        return f"CPython {self.python}, {self.platform}, {self.host}"

    @property
    def slug(self) -> str:
        """Its name in paths and addresses."""
        return f"cp{self.python.replace('.', '')}-{self.platform}-{self.host}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A corpus as it is written down.

    source: where the choice and its order come from, with a date. packages: requirements, the most important first.
    variants: each of its Pythons with each platform on that platform's host. orders: "all" or "given". constraints:
    requirements that limit versions wherever a package occurs.
    """

    name: str
    title: str
    source: str
    packages: tuple[str, ...]
    variants: tuple[Variant, ...]
    orders: str
    constraints: tuple[str, ...] = ()

    def limited(self, limit: int | None) -> Manifest:
        """Return the corpus of the first packages only."""
        if limit is None:
            return self
        return replace(self, packages=self.packages[:limit])

    def variant(self, python: str | None = None) -> Variant:
        """Return the variant for a Python, or the first. Raises UsageError."""
        for variant in self.variants:
            if python in (None, variant.python):
                return variant
        known = ", ".join(dict.fromkeys(variant.python for variant in self.variants))
        raise UsageError(f"corpus {self.name}: it is not for Python {python}; it is for {known}")


def names() -> list[str]:
    """Return the names of the corpora that come with abiclash."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name_or_path: str) -> Manifest:
    """Return a corpus by its name, or from a TOML file. Raises SourceError, which says what is wrong with it."""
    return _load(name_or_path, ())


def _load(name_or_path: str, within: tuple[Path, ...]) -> Manifest:
    """Load a corpus. within: the files of those that take packages of it."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _folder() / f"{name_or_path}.toml"
        if name_or_path not in names():
            raise SourceError(f"corpus {name_or_path}: there is none of this name; there are {', '.join(names())}")
    if path.resolve() in within:
        raise SourceError(f"{path}: not a corpus: it takes packages of itself; see docs/corpora.md for its form")
    try:
        return _manifest(read_toml(read_text(path)), path.parent, (*within, path.resolve()))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise SourceError(f"{path}: not a corpus: {error}; see docs/corpora.md for its form") from error


@cache
def _folder() -> Path:
    return _INSTALLED if _INSTALLED.is_dir() else _CLONE


def _manifest(content: dict[str, Any], folder: Path, within: tuple[Path, ...]) -> Manifest:
    if unknown := sorted(content.keys() - _KEYS):
        raise ValueError(f"unknown key {unknown[0]!r}")
    platforms, hosts = list(content["platforms"]), list(content["hosts"])
    if len(platforms) != len(hosts):
        raise ValueError("platforms and hosts go together, one host for each platform")
    if content.get("orders", "all") not in _ORDERS:
        raise ValueError(f"orders is one of {', '.join(_ORDERS)}")
    return Manifest(
        name=str(content["name"]),
        title=str(content["title"]),
        source=str(content["source"]),
        packages=tuple(_packages(content, folder, within)),
        variants=tuple(
            Variant(str(python), platform, host)
            for python in content["python"]
            for platform, host in zip(platforms, hosts, strict=True)
        ),
        orders=str(content.get("orders", "all")),
        constraints=tuple(_once(content.get("constraints", []))),
    )


def _packages(content: dict[str, Any], folder: Path, within: tuple[Path, ...]) -> Iterator[str]:
    """Yield the requirements: the listed ones, then what the query takes of other corpora; each project once."""
    query = content.get("query", {})
    listed: list[str] = list(content.get("packages", []))
    for name in query.get("of", []):
        own = folder / f"{name}.toml"
        listed += _load(str(own) if own.is_file() else name, within).packages[: query.get("first")]
    if not listed:
        raise ValueError("it names no packages")
    yield from _once(listed)


def _once(requirements: Iterable[str]) -> Iterator[str]:
    seen = set()
    for text in requirements:
        try:
            name = canonicalize_name(Requirement(text).name)
        except InvalidRequirement as error:
            raise ValueError(f"{text!r} is not a requirement") from error
        if name not in seen:
            seen.add(name)
            yield text

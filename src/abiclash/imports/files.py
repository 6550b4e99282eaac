"""The files that an import can see: an installed environment's directories, or wheels as if they were installed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from abiclash.errors import AbiclashError, SourceError
from abiclash.readfile import read_bytes, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from abiclash.facts.model import WheelFacts

_NOTHING: dict[str, bool] = {}
_PROJECT = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_EXTRA = re.compile(r";.*\bextra\b")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Under which document a file's digest is kept: the document's key, the member in it, and what makes it stale."""

    document: str
    member: str
    state: str = ""


class Files(Protocol):
    """A tree of files below `root`."""

    @property
    def root(self) -> str:
        """Absolute path of the tree's top directory."""

    def entries(self, directory: str) -> Mapping[str, bool]:
        """Return the names in a directory, True for directories; empty where there is no such directory."""

    def read(self, path: str) -> bytes:
        """Return a file's content. Raises SourceError."""

    def owner(self, path: str) -> str | None:
        """Return the normalised name of the distribution that installs a file."""

    def requires(self, owner: str) -> frozenset[str] | None:
        """Return the normalised names that a distribution requires without extras, None where it is not here."""

    def stamp(self, path: str) -> Stamp:
        """Return where the digest of a file is kept."""


@dataclass(slots=True)
class DirectoryFiles:
    """Real directories, read on demand. `names`: file -> distribution, or None to read the RECORD files below root."""

    root: str
    names: Mapping[str, str] | None = None
    document: str = ""
    _entries: dict[str, dict[str, bool]] = field(default_factory=dict)

    def entries(self, directory: str) -> Mapping[str, bool]:
        found = self._entries.get(directory)
        if found is None:
            found = self._entries[directory] = _scan(directory)
        return found

    def read(self, path: str) -> bytes:
        try:
            return read_bytes(path)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error.strerror}); check its permissions") from error

    def owner(self, path: str) -> str | None:
        if self.names is None:
            self.names = recorded_owners(self.root)
        return self.names.get(path)

    def requires(self, owner: str) -> frozenset[str] | None:
        for name in self.entries(self.root):
            if name.endswith(".dist-info") and normalised(name.removesuffix(".dist-info").rpartition("-")[0]) == owner:
                try:
                    text = read_text(Path(self.root) / name / "METADATA", errors="replace")
                except OSError:
                    return None
                head = text.partition("\n\n")[0].splitlines()
                return required(line.partition(":")[2] for line in head if line.startswith("Requires-Dist:"))
        return None

    def stamp(self, path: str) -> Stamp:
        status = Path(path).stat()
        member = path.removeprefix(self.root + "/")
        document = f"{self.document or 'directory:' + self.root}:{member.split('/')[0]}"
        return Stamp(document, member, f"{status.st_mtime_ns}-{status.st_size}")


def _scan(directory: str) -> dict[str, bool]:
    try:
        with os.scandir(directory) as entries:
            return {entry.name: entry.is_dir() for entry in entries}
    except OSError:
        return _NOTHING


def recorded_owners(root: str) -> dict[str, str]:
    """Return file -> normalised distribution name, from the RECORD files of an environment's site-packages."""
    owners: dict[str, str] = {}
    for name in sorted(_scan(root)):
        if not name.endswith(".dist-info"):
            continue
        project = normalised(name.removesuffix(".dist-info").rpartition("-")[0])
        try:
            text = read_text(Path(root) / name / "RECORD", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            path = line.rsplit(",", 2)[0].strip('"')
            owners[os.path.normpath(f"{root}/{path}") if path.startswith("..") else f"{root}/{path}"] = project
    return owners


def normalised(name: str) -> str:
    """Return a project name as PEP 503 normalises it."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def required(lines: Iterable[str]) -> frozenset[str]:
    """Return the normalised names in Requires-Dist lines, without those that belong to extras."""
    named = (_PROJECT.match(line) for line in lines if not _EXTRA.search(line))
    return frozenset(normalised(match[1]) for match in named if match)


@dataclass(slots=True)
class WheelFiles:
    """Wheels as if they were installed below `root`. `open`: (wheel, installed path) -> content of that member."""

    root: str
    wheels: tuple[WheelFacts, ...]
    open: Callable[[WheelFacts, str], bytes]
    _entries: dict[str, dict[str, bool]] = field(default_factory=dict)
    _owners: dict[str, WheelFacts] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for wheel in self.wheels:
            self._install(wheel, (file.path for file in wheel.files))

    def _install(self, wheel: WheelFacts, paths: Iterable[str]) -> None:
        entries = self._entries
        top = entries.setdefault(self.root, {})
        for path in paths:
            self._owners.setdefault(path, wheel)
            directory, _, name = path.rpartition("/")
            place = f"{self.root}/{directory}" if directory else self.root
            known = entries.get(place)
            if known is None:
                known = entries[place] = {}
                parts = directory.split("/")
                top[parts[0]] = True
                for depth in range(1, len(parts)):
                    entries.setdefault(f"{self.root}/{'/'.join(parts[:depth])}", {})[parts[depth]] = True
            known[name] = False

    def entries(self, directory: str) -> Mapping[str, bool]:
        return self._entries.get(directory, _NOTHING)

    def _wheel(self, path: str) -> tuple[WheelFacts, str]:
        member = path.removeprefix(self.root + "/")
        wheel = self._owners.get(member)
        if wheel is None:
            raise SourceError(f"{path}: in none of the wheels; name the wheel that installs it")
        return wheel, member

    def read(self, path: str) -> bytes:
        wheel, member = self._wheel(path)
        try:
            return self.open(wheel, member)
        except (AbiclashError, OSError) as error:
            raise SourceError(f"{wheel.filename}!{member}: {error}") from error

    def owner(self, path: str) -> str | None:
        wheel = self._owners.get(path.removeprefix(self.root + "/"))
        return wheel.name if wheel else None

    def requires(self, owner: str) -> frozenset[str] | None:
        return next((required(wheel.requires) for wheel in self.wheels if wheel.name == owner), None)

    def stamp(self, path: str) -> Stamp:
        wheel, member = self._wheel(path)
        return Stamp(wheel.sha256, member)


@dataclass(slots=True)
class Overlay:
    """Wheels laid over an installed environment with the same root: where both have a file, the wheel's counts."""

    upper: WheelFiles
    lower: DirectoryFiles

    @property
    def root(self) -> str:
        return self.upper.root

    def entries(self, directory: str) -> Mapping[str, bool]:
        above = self.upper.entries(directory)
        below = self.lower.entries(directory)
        return {**below, **above} if above else below

    def _side(self, path: str) -> Files:
        return self.upper if self.upper.owner(path) is not None else self.lower

    def read(self, path: str) -> bytes:
        return self._side(path).read(path)

    def owner(self, path: str) -> str | None:
        return self._side(path).owner(path)

    def requires(self, owner: str) -> frozenset[str] | None:
        above = self.upper.requires(owner)
        return self.lower.requires(owner) if above is None else above

    def stamp(self, path: str) -> Stamp:
        return self._side(path).stamp(path)

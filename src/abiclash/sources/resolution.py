"""The result of resolving: which wheels, from where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.errors import NotAnalysed
    from abiclash.sources.platform import Runtime


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement for uv. text: as the user named it. hashes: sha256 it may have, or any. local: a wheel file.

    requested: by the user, not only a dependency that a lock lists.
    """

    text: str
    name: str
    line: str
    hashes: frozenset[str] = frozenset()
    local: Path | None = None
    requested: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One wheel of a resolution.

    name: normalised. sha256: hex, None where whoever names the file does not say it. Either url or path is set.
    requested: named by the user, not only a dependency. size: in bytes, None where unknown.
    """

    name: str
    version: str
    filename: str
    sha256: str | None
    url: str | None
    path: Path | None
    requested: bool
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the targets come to.

    packages: sorted by name, one version of each. environment: an installed environment to look at as well, whose
    packages a wheel of the same name replaces. objects: shared objects by themselves.
    """

    runtime: Runtime
    packages: tuple[Package, ...]
    environment: Path | None
    objects: tuple[Path, ...]
    not_analysed: tuple[NotAnalysed, ...]

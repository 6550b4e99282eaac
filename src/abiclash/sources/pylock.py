"""pylock.toml (PEP 751), a user's or uv's answer: which file of each package fits a Python on a platform."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.pylock import Package as LockedPackage
from packaging.pylock import PackageArchive, PackageWheel, Pylock, PylockValidationError
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from abiclash.errors import SourceError
from abiclash.parsing import read_toml
from abiclash.sources.redact import redacted
from abiclash.sources.resolution import Package

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.tags import Tag

    from abiclash.sources.platform import Runtime

NO_WHEEL = "no wheel for "
"""How the reason begins for which a package cannot be had on a Python and platform at all."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LINUX = re.compile(r"(?:(?:many|musl)linux(?:\d+)?(?:_\d+_\d+)?|linux)_(?P<machine>\w+)")
_NOT_BUILT = ", and abiclash builds nothing; build a wheel of it"


@dataclass(frozen=True, slots=True)
class Unfit:
    """A package of a lock without a file to use. replaceable: another version may have one."""

    name: str
    version: str
    reason: str
    replaceable: bool


@dataclass(frozen=True, slots=True)
class File:
    """One wheel that a lock offers."""

    filename: str
    sha256: str | None
    url: str | None
    path: Path | None
    size: int | None = None


def parse(text: str, source: str) -> Pylock:
    """Return the lock in `text`; SourceError, which names `source`, where it is none."""
    try:
        return Pylock.from_dict(read_toml(text))
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise SourceError(f"{source}: not a valid lock file: {error}; write it anew with its own tool") from error


def choose(
    lock: Pylock,
    runtime: Runtime,
    *,
    folder: Path,
    requested: Collection[str] | None,
    hashes: Mapping[str, Collection[str]] | None = None,
) -> tuple[list[Package], list[Unfit]]:
    """Return the wheel of each package that applies, and the packages that have none.

    folder: what relative paths are relative to. requested: names asked for by the user; None: those that no other
    package of the lock depends on. hashes: by name, the only sha256 digests that are allowed.
    """
    packages, unfit = [], []
    applying = [package for package in lock.packages if _applies(package, lock, runtime)]
    if requested is None:
        requested = roots({p.name: [str(d.get("name", "")) for d in p.dependencies or ()] for p in applying})
    for package in applying:
        version = str(package.version or "")
        files, problem = _files(package, folder)
        wanted = (hashes or {}).get(package.name)
        allowed = [file for file in files if wanted is None or file.sha256 is None or file.sha256 in wanted]
        if files and not allowed:
            problem = "none of its files has a hash that the requirements allow; check them, or the index"
        best = best_file(allowed, runtime.tags)
        if best is None:
            unfit.append(Unfit(package.name, version, problem or misfit(files, runtime), bool(allowed)))
        else:
            packages.append(package_of(package.name, best, requested=package.name in requested))
    return packages, unfit


def roots(dependencies: Mapping[str, Iterable[str]]) -> set[str]:
    """Return the names that no other depends on; all names where nothing is said of dependencies."""
    needed = {name for by, names in dependencies.items() for name in names if name != by}
    return set(dependencies) - needed or set(dependencies)


def best_file(files: Iterable[File], tags: Sequence[Tag]) -> File | None:
    """Return the wheel whose tags come first among `tags`, with the highest build number of those; None without."""
    ranks = {tag: rank for rank, tag in enumerate(tags)}
    best: tuple[tuple[int, tuple[int, str]], File] | None = None
    for file in files:
        _, _, build, own = parse_wheel_filename(file.filename)
        fitting = [ranks[tag] for tag in own if tag in ranks]
        if not fitting:
            continue
        rank = (-min(fitting), build or (-1, ""))
        if best is None or rank > best[0]:
            best = (rank, file)
    return best[1] if best else None


def misfit(files: Sequence[File], runtime: Runtime) -> str:
    """Say that no wheel fits, and what the wheels there are would fit."""
    if not files:
        return f"only a source distribution exists{_NOT_BUILT} and name the file"
    return f"{NO_WHEEL}{runtime}; {wheels_in_words([file.filename for file in files], runtime)}"


def wheels_in_words(filenames: Iterable[str], runtime: Runtime) -> str:
    """Say which Pythons, or else which platforms, these wheels are for."""
    tags = {tag for name in filenames for tag in parse_wheel_filename(name)[3]}
    platforms = {*runtime.platform.tags(), "any"}
    here = {tag for tag in tags if tag.platform in platforms}
    if here:
        pythons = sorted({f"{tag.interpreter}-{tag.abi}" for tag in here}, key=_natural)
        return f"its wheels are for {_shortened(pythons)}: choose another --python or version"
    systems = sorted({_system(tag.platform) for tag in tags})
    return f"its wheels are for {_shortened(systems)}: choose another --platform or version"


def _system(platform: str) -> str:
    """Return what a user calls the system of a platform tag: `aarch64 (musl)`, `Windows`."""
    kind = platform.partition("_")[0]
    match = _LINUX.fullmatch(platform)
    if match:
        return f"{match['machine']} ({'musl' if kind == 'musllinux' else 'glibc'})"
    return {"macosx": "macOS", "ios": "iOS", "android": "Android"}.get(
        kind, "Windows" if kind.startswith("win") else kind
    )


def package_of(name: str, file: File, *, requested: bool) -> Package:
    """Return the package for a wheel of a lock, with the version that its filename says."""
    _, version, _, _ = parse_wheel_filename(file.filename)
    return Package(name, str(version), file.filename, file.sha256, file.url, file.path, requested, file.size)


def file_at(
    filename: str | None, url: str | None, path: str | None, folder: Path, hashes: Mapping[str, str]
) -> File | None:
    """Return a wheel named by URL or path, local files by path; None for what is no wheel."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    local = None
    if path is not None:
        local = folder / path
    elif parts.scheme == "file":
        local = Path(unquote(parts.path))
    name = filename or (local.name if local else unquote(parts.path.rpartition("/")[2]))
    sha256 = hashes.get("sha256")
    if "/" in name or (sha256 is not None and not _SHA256.fullmatch(sha256)):
        return None  # both become parts of a path in the cache
    try:
        parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    return File(name, sha256, None if local else url, local)


def _applies(package: LockedPackage, lock: Pylock, runtime: Runtime) -> bool:
    python = package.requires_python
    if python is not None and not python.contains(runtime.python.full, prereleases=True):
        return False
    if package.marker is None:
        return True
    groups = frozenset(lock.default_groups or ())
    environment: dict[str, str | AbstractSet[str]] = {
        **runtime.markers,
        "extras": frozenset[str](),
        "dependency_groups": groups,
    }
    return package.marker.evaluate(environment, context="lock_file")


def _files(package: LockedPackage, folder: Path) -> tuple[list[File], str | None]:
    """Return the wheels of a package, and why there can be none."""
    if package.wheels:
        return [file for wheel in package.wheels if (file := _file(wheel, folder, wheel.name))], None
    if package.archive is not None:
        file = _file(package.archive, folder, None)
        where = redacted(package.archive.url or package.archive.path or "")
        return ([file], None) if file else ([], f"{where} is no wheel{_NOT_BUILT}")
    if package.vcs is not None:
        return [], f"comes from a version control system{_NOT_BUILT}"
    if package.directory is not None:
        return [], f"is a source tree{_NOT_BUILT}"
    return [], None


def _file(offered: PackageWheel | PackageArchive, folder: Path, name: str | None) -> File | None:
    file = file_at(name, offered.url, offered.path, folder, offered.hashes)
    return None if file is None else File(file.filename, file.sha256, file.url, file.path, offered.size)


def _natural(text: str) -> tuple[int, str]:
    digits = "".join(c for c in text.partition("-")[0] if c.isdigit())
    return (int(digits[1:] or 0) if digits[:1] == "3" else -1, text)


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:3])} ... {', '.join(names[-2:])}"

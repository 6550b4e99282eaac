"""An installed environment: which distributions it holds, which files are theirs, and which are nobody's."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from abiclash.errors import NotAnalysed, SourceError, UsageError
from abiclash.facts.model import WheelFile
from abiclash.readfile import read_text
from abiclash.sources import editable
from abiclash.sources.platform import Python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

_LIB = re.compile(r"python3(?:\.(\d+)t?)?")
_INFO = (".dist-info", ".egg-info")
_NOISE = {"__pycache__"}


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, or the prefix of an interpreter.

    python: its version. executable: real path of its interpreter, None where it has none. site: folders of installed
    packages in the order of sys.path, the environment's own first.
    """

    path: Path
    python: Python
    executable: Path | None
    site: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """One installed distribution, or top-level files that no distribution owns (version "").

    name: normalised. site: the folder it is installed in. files: paths relative to it ("../../../bin/x" for others).
    top_level: text of top_level.txt. elsewhere: files of an editable installation: path as if installed, real path.
    """

    name: str
    version: str
    site: Path
    files: tuple[WheelFile, ...]
    top_level: str | None = None
    requires: tuple[str, ...] = ()
    requires_python: str | None = None
    elsewhere: tuple[tuple[str, Path], ...] = ()


def open_environment(path: Path) -> Environment:
    """Return the environment at `path`; SourceError where it is none or cannot be read."""
    config = _config(path)
    python = python_of(path)
    site = _site_folders(path, python)
    if config.get("include-system-site-packages", "").lower() == "true" and config.get("home"):
        site += [folder for folder in _site_folders(Path(config["home"]).parent, python) if folder not in site]
    if not site:
        raise SourceError(
            f"{path}: no site-packages for Python {python.short} in it; name the folder of an environment"
        )
    interpreters = [path / "bin" / name for name in (f"python3.{python.minor}", "python3", "python")]
    executable = next((name.resolve() for name in interpreters if name.exists()), None)
    return Environment(path, python, executable, tuple(site))


def python_of(path: Path) -> Python:
    """Return the Python of an environment, from pyvenv.cfg or the name of its library folder."""
    config = _config(path)
    said = config.get("version") or config.get("version_info", "")
    if match := re.match(r"3\.\d+(?:\.\d+)?", said):
        return Python.parse(match[0])
    minors = sorted(
        int(match[1])
        for lib in ("lib", "lib64", "local/lib")
        for folder in path.glob(f"{lib}/python3.*")
        if (match := _LIB.fullmatch(folder.name)) and any(folder.glob("*-packages"))
    )
    if not minors:
        raise UsageError(
            f"{path}: not a Python environment; name the folder with pyvenv.cfg, or a prefix with"
            " lib/python3.*/site-packages"
        )
    if len(set(minors)) != 1:
        found = ", ".join(f"3.{minor}" for minor in sorted(set(minors)))
        raise UsageError(f"{path}: which Python is meant does not show (found: {found}); say it with --python")
    return Python.parse(f"3.{minors[0]}")


def installed_names(path: Path) -> set[str]:
    """Return the normalised names of the distributions in an environment."""
    return {name for site in open_environment(path).site for _, name, _ in _infos(site)}


def distributions(environment: Environment) -> tuple[list[Distribution], list[NotAnalysed]]:
    """Return what is installed, sorted by name, unowned files after it, and what cannot be followed.

    Of a name that several folders hold, the first on sys.path counts, as it does for an import.
    """
    found: dict[str, Distribution] = {}
    unowned: list[Distribution] = []
    problems: list[NotAnalysed] = []
    for site in environment.site:
        owned: set[str] = set()
        for info, name, version in _infos(site):
            try:
                installed = _distribution(site, info, name, version)
            except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
                problems.append(NotAnalysed(str(info), f"its metadata cannot be read: {error}"))
                continue
            owned |= {file.path for file in installed.files}
            problems += editable.problems(site, installed.name, installed.files)
            found.setdefault(name, installed)
        unowned += _unowned(site, owned)
        problems += editable.stray(site, owned)
    return sorted(found.values(), key=lambda item: item.name) + unowned, sorted(set(problems))


def _config(path: Path) -> dict[str, str]:
    try:
        text = read_text(path / "pyvenv.cfg")
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _site_folders(prefix: Path, python: Python) -> list[Path]:
    """Return site-packages, and dist-packages as Debian has them, in the order of sys.path."""
    libs = [prefix / "local/lib", prefix / "lib", prefix / "lib64"]
    names = (f"python3.{python.minor}{'t' if python.threaded else ''}", "python3")
    folders = [lib / name / kind for lib in libs for name in names for kind in ("site-packages", "dist-packages")]
    result: list[Path] = []
    for folder in folders:
        if folder.is_dir() and folder.resolve() not in [known.resolve() for known in result]:
            result.append(folder)
    return result


def _infos(site: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield (metadata folder or file, normalised name, version) of what is installed in a folder."""
    try:
        entries = sorted(site.iterdir())
    except OSError as error:
        raise SourceError(f"{site}: cannot be read: {error.strerror}; check its permissions") from error
    for entry in entries:
        if entry.suffix not in _INFO:
            continue
        name, _, version = entry.stem.partition("-")
        yield entry, canonicalize_name(name), version.partition("-py")[0]


def _distribution(site: Path, info: Path, name: str, version: str) -> Distribution:
    metadata = _metadata(info)
    files = _record(site, info)
    top_level = info / "top_level.txt"
    return Distribution(
        canonicalize_name(str(metadata.get("Name") or name)),
        str(metadata.get("Version") or version or "0"),
        site,
        tuple(files),
        top_level.read_text("utf-8", "replace") if top_level.is_file() else None,
        tuple(metadata.get_all("Requires-Dist") or ()),
        metadata.get("Requires-Python"),
        tuple(editable.files(site, files)),
    )


def _metadata(info: Path) -> Message:
    from email.parser import HeaderParser  # noqa: PLC0415 - only environments need it

    candidates = [info / "METADATA", info / "PKG-INFO", info]
    text = next((path.read_text("utf-8", "replace") for path in candidates if path.is_file()), "")
    return HeaderParser().parsestr(text)


def _record(site: Path, info: Path) -> list[WheelFile]:
    """Return the files of a distribution: RECORD, or what setuptools' egg-info says."""
    if (info / "RECORD").is_file():
        rows = csv.reader(io.StringIO(read_text(info / "RECORD")))
        return [
            WheelFile(os.path.normpath(row[0]), int(row[2]) if len(row) > 2 and row[2].isdigit() else None, row[1])
            for row in rows
            if len(row) > 1 and row[0]
        ]
    return list(_egg_files(site, info))


def _egg_files(site: Path, info: Path) -> Iterator[WheelFile]:
    """Yield the files of an egg-info: installed-files.txt, else everything below its top-level modules."""
    listing = info / "installed-files.txt"
    if listing.is_file():
        for line in read_text(listing).split("\n"):
            if line:
                path = os.path.relpath(os.path.join(info, line), site)  # noqa: PTH118 - paths with ".." are joined as text
                yield WheelFile(path, None, "")
        return
    top = info / "top_level.txt"
    names = top.read_text("utf-8").split() if top.is_file() else [canonicalize_name(info.stem.partition("-")[0])]
    for name in names:
        for place in (site / name, *sorted(site.glob(f"{name}.*"))):
            if place.suffix not in _INFO:
                yield from _below(site, place)


def _below(site: Path, path: Path) -> Iterator[WheelFile]:
    """Yield a file, or all files of a folder, without compiled Python."""
    if path.is_file():
        yield WheelFile(str(path.relative_to(site)), path.stat().st_size, "")
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(set(folders) - _NOISE)
        for name in sorted(names):
            inside = Path(folder, name)
            if inside.is_file():
                yield WheelFile(str(inside.relative_to(site)), inside.stat().st_size, "")


def _unowned(site: Path, owned: set[str]) -> Iterator[Distribution]:
    """Yield the files that no distribution owns, by top-level name: a module built or copied by hand."""
    for entry in sorted(site.iterdir()):
        if entry.suffix in {*_INFO, ".pth", ".pyc", ".egg-link"} or entry.name in _NOISE:
            continue
        files = tuple(file for file in _below(site, entry) if file.path not in owned)
        if files:
            yield Distribution(entry.name.partition(".")[0], "", site, files)

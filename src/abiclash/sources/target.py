"""What a user may name: the grammar of targets, and one dataclass for each kind.

Nothing is resolved here; files are looked at only as far as it takes to know what they are.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.pylock import is_valid_pylock_path
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from abiclash.errors import UsageError
from abiclash.sources.redact import redacted

LockKind = Literal["pylock", "uv", "poetry"]


@dataclass(frozen=True, slots=True)
class RequirementTarget:
    """A requirement of PEP 508. line: as uv reads it, local files by URL. hashes: sha256 it may have, or any."""

    text: str
    name: str
    line: str
    hashes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WheelTarget:
    """A wheel file. extras: of its dependencies."""

    text: str
    path: Path
    name: str
    extras: str = ""


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """A folder of wheels; those that fit the scan's Python and platform are meant."""

    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class RequirementsTarget:
    """A requirements file, as pip reads it."""

    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class LockTarget:
    """A lock file: pylock.toml (PEP 751), uv.lock or poetry.lock."""

    text: str
    path: Path
    kind: LockKind


@dataclass(frozen=True, slots=True)
class EnvironmentTarget:
    """An installed environment: a virtual environment, or the prefix of an interpreter."""

    text: str
    path: Path


@dataclass(frozen=True, slots=True)
class ObjectTarget:
    """An ELF file by itself."""

    text: str
    path: Path


Target = (
    RequirementTarget | WheelTarget | FolderTarget | RequirementsTarget | LockTarget | EnvironmentTarget | ObjectTarget
)

_SOURCES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".tar")
_NAMED_URL = re.compile(r"[A-Za-z0-9][\w.-]*\s*(?:\[[^]]*\])?\s*@")
_URL = re.compile(r"(?:git|hg|svn|bzr)\+|https?://|file:")
_WHEEL_WITH_EXTRAS = re.compile(r"(?P<path>.+\.whl)(?P<extras>\[[^]]*\])?$")
_NOT_BUILT = "abiclash analyses wheels and builds nothing; build it first with `pip wheel` and name the wheel"


def parse_target(text: str) -> Target:
    """Return what `text` names: a requirement, a wheel, a folder of wheels, a lock file or a shared object.

    As with pip, a name without a slash is a requirement, unless it ends like a file of a known kind or is a folder
    with wheels in it.
    Raises UsageError for what is none of these.
    """
    text = text.strip()
    if not text:
        raise UsageError("empty target: name a requirement, a wheel, a folder of wheels, a lock file or an object")
    if _NAMED_URL.match(text):
        return _requirement(text)
    if _URL.match(text):
        return _bare_url(text)
    if match := _WHEEL_WITH_EXTRAS.match(text):
        return wheel_target(text, local_path(match["path"]), match["extras"] or "")
    if text.lower().endswith(_SOURCES):
        raise UsageError(f"{text}: a source distribution, not a wheel; {_NOT_BUILT}")
    if "/" in text or text in {".", "..", "~"} or _looks_like_a_file(text) or _holds_wheels(text):
        return _path(text, local_path(text))
    return _requirement(text)


def local_path(text: str) -> Path:
    """Return the path that a text names. Raises UsageError where no file can have such a name."""
    try:
        path = Path(text).expanduser()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.lstat()
    except (OSError, RuntimeError, ValueError) as error:  # too long; `~` of nobody; NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{text[:200]}: not the name of a file: {reason}; check the path") from error
    return path


def requirements_target(text: str) -> RequirementsTarget:
    """Return the target of `-r FILE`."""
    path = local_path(text)
    if not path.is_file():
        raise UsageError(f"-r {text}: {_absent(path, 'a requirements file')}")
    return RequirementsTarget(text, path)


def environment_target(text: str) -> EnvironmentTarget:
    """Return the target of `--env PATH`."""
    path = local_path(text)
    if not path.is_dir():
        raise UsageError(f"--env {text}: {_absent(path, 'the folder of an environment')}")
    if not is_environment(path):
        raise UsageError(
            f"--env {text}: not a Python environment; name the folder with pyvenv.cfg, or a prefix with"
            " lib/python3.*/site-packages"
        )
    return EnvironmentTarget(text, path)


def is_environment(path: Path) -> bool:
    """Return whether a folder is a virtual environment or the prefix of an interpreter."""
    if (path / "pyvenv.cfg").is_file():
        return True
    return any(any(path.glob(f"{lib}/python3*/*-packages")) for lib in ("lib", "lib64", "local/lib"))


def wheel_target(text: str, path: Path, extras: str = "") -> WheelTarget:
    """Return the target of a wheel file, whose name must be one."""
    if not path.is_file():
        raise UsageError(f"{text}: {_absent(path, 'a wheel')}")
    try:
        name, *_ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise UsageError(f"{text}: not the file name of a wheel ({error}); give it back its original name") from error
    return WheelTarget(text, path, name, extras)


def _looks_like_a_file(text: str) -> bool:
    return text.endswith((".toml", ".lock", ".txt", ".so")) or ".so." in text


def _holds_wheels(text: str) -> bool:
    try:
        path = local_path(text)
    except UsageError:  # a long requirement
        return False
    return path.is_dir() and any(path.glob("*.whl"))


def _path(text: str, path: Path) -> Target:
    if path.is_dir():
        return _folder(text, path)
    if not path.is_file():
        raise UsageError(f"{text}: {_absent(path, 'a file or folder')}")
    kind = _lock_kind(path)
    if kind is not None:
        return LockTarget(text, path, kind)
    if path.suffix in {".txt", ".in"}:
        return RequirementsTarget(text, path)
    return _object(text, path)


def _lock_kind(path: Path) -> LockKind | None:
    if is_valid_pylock_path(path):
        return "pylock"
    return {"uv.lock": "uv", "poetry.lock": "poetry"}.get(path.name)  # type: ignore[return-value]


def _object(text: str, path: Path) -> ObjectTarget:
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise UsageError(f"{text}: cannot be read: {error.strerror}; check its permissions") from error
    if magic != b"\x7fELF":
        raise UsageError(
            f"{text}: neither a wheel, a lock file (pylock.toml, uv.lock, poetry.lock), a requirements file (.txt)"
            " nor an ELF file"
        )
    return ObjectTarget(text, path)


def _folder(text: str, path: Path) -> FolderTarget:
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        raise UsageError(f"{text}: cannot be read: {error.strerror}; check its permissions") from error
    if any(name.endswith(".whl") for name in names):
        return FolderTarget(text, path)
    if is_environment(path):
        raise UsageError(f"{text}: an installed environment; name it with --env {text}")
    if {"pyproject.toml", "setup.py"} & set(names):
        raise UsageError(f"{text}: a source tree; {_NOT_BUILT}")
    raise UsageError(f"{text}: no wheel (*.whl) in this folder")


def _bare_url(text: str) -> RequirementTarget:
    """Return the requirement for a URL alone: only a wheel's says the name of its project."""
    filename = unquote(_parts(text).path.rpartition("/")[2])
    try:
        name, *_ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise UsageError(f"{redacted(text)}: the URL is not that of a wheel; {_NOT_BUILT}") from error
    return RequirementTarget(redacted(text), name, f"{name} @ {text}")


def _requirement(text: str) -> RequirementTarget:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        problem = str(error).splitlines()[0].strip()
        raise UsageError(
            f"{redacted(text)}: neither a file nor a requirement: {problem}; write it like numpy or numpy==2.0"
        ) from error
    if requirement.url:
        requirement.url = _wheel_url(text, requirement.url)
    return RequirementTarget(redacted(text), canonicalize_name(requirement.name), str(requirement))


def _parts(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{redacted(url)}: not a URL: {error}; check it") from error


def _wheel_url(text: str, url: str) -> str:
    """Return the URL of `name @ URL`, absolute where it is a path; UsageError where it is not that of a wheel."""
    parts = _parts(url)
    if not unquote(parts.path).endswith(".whl"):
        raise UsageError(f"{redacted(text)}: the URL is not that of a wheel; {_NOT_BUILT}")
    if parts.scheme not in {"", "file"}:
        return url
    path = local_path(unquote(parts.path) if parts.scheme else url)
    return wheel_target(text, path).path.resolve().as_uri()


def _absent(path: Path, expected: str) -> str:
    """Return why `path` is not what was expected, in words."""
    try:
        path.lstat()
    except FileNotFoundError:
        return "no such file or folder"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "a broken symbolic link" if not path.exists() else f"not {expected}"

"""Lock files: which packages of one apply to a Python on a platform, and which wheels they are.

pylock.toml (PEP 751) and uv.lock name every file. poetry.lock names hashes only, so its packages become pinned
requirements. All are read as an installation of the project without its development groups and extras.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName

from abiclash.errors import NotAnalysed, SourceError, UsageError
from abiclash.parsing import read_toml
from abiclash.readfile import read_text
from abiclash.sources.pylock import choose, parse, roots
from abiclash.sources.resolution import Line
from abiclash.sources.target import RequirementTarget, parse_target
from abiclash.sources.uvlock import read_uv_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from abiclash.sources.platform import Runtime
    from abiclash.sources.resolution import Package
    from abiclash.sources.target import LockTarget

_MAIN = {"main", "default"}


@dataclass
class LockContent:
    """What a lock file comes to. lines: pinned requirements still to be found. settings: options of the index."""

    packages: list[Package] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    not_analysed: list[NotAnalysed] = field(default_factory=list)


def read(target: LockTarget, runtime: Runtime) -> LockContent:
    """Return the packages of a lock file that apply; SourceError where it cannot be read as one."""
    text = _text(target.path)
    folder = target.path.resolve().parent
    if target.kind == "pylock":
        packages, unfit = choose(parse(text, str(target.path)), runtime, folder=folder, requested=None)
    elif target.kind == "uv":
        packages, unfit = read_uv_lock(_toml(text, target.path), target.path, runtime)
    else:
        return _poetry(_toml(text, target.path), target.path, runtime)
    content = LockContent(packages)
    for item in unfit:
        content.not_analysed.append(NotAnalysed(f"{item.name} {item.version}".strip(), item.reason))
    return content


def _poetry(lock: Mapping[str, Any], path: Path, runtime: Runtime) -> LockContent:
    content = LockContent()
    try:
        packages = [entry for entry in lock["package"] if _in_main(entry, runtime)]
        unneeded = _unneeded(packages, runtime)
        requested = roots({entry["name"]: list(entry.get("dependencies", {})) for entry in packages})
        for entry in packages:
            if entry["name"] not in unneeded:
                _poetry_package(content, entry, lock, path, requested=requested)
    except (KeyError, TypeError, AttributeError, InvalidMarker, UndefinedEnvironmentName) as error:
        raise SourceError(
            f"{path}: not of the form of poetry.lock ({error!r}); write it anew with `poetry lock`"
        ) from error
    return content


def _poetry_package(
    content: LockContent, entry: Mapping[str, Any], lock: Mapping[str, Any], path: Path, *, requested: set[str]
) -> None:
    source = entry.get("source", {})
    pin = f"{entry['name']}=={entry['version']}"
    if source.get("type") in {"git", "directory"}:
        content.not_analysed.append(NotAnalysed(pin, f"comes from a {source['type']}; build a wheel of it"))
        return
    if source.get("type") in {"url", "file"}:
        where = source["url"] if source["type"] == "url" else (path.resolve().parent / source["url"]).as_uri()
        try:
            target = parse_target(f"{entry['name']} @ {where}")
        except UsageError as error:
            content.not_analysed.append(NotAnalysed(pin, str(error)))
            return
    else:
        target = parse_target(pin)
    if source.get("type") == "legacy":
        content.settings.append(("extra-index-url", source["url"]))
    files = entry.get("files") or lock.get("metadata", {}).get("files", {}).get(entry["name"], [])
    hashes = frozenset(f["hash"].removeprefix("sha256:") for f in files if f["hash"].startswith("sha256:"))
    if isinstance(target, RequirementTarget):
        asked = entry["name"] in requested
        content.lines.append(Line(target.text, target.name, target.line, hashes, requested=asked))


def _in_main(entry: Mapping[str, Any], runtime: Runtime) -> bool:
    """Return whether a package is installed without groups and extras (poetry 2: groups, markers; 1: category)."""
    groups = set(entry.get("groups") or [entry.get("category", "main")])
    if entry.get("optional") or not groups & _MAIN:
        return False
    markers = entry.get("markers")
    if isinstance(markers, dict):
        markers = next((text for group, text in markers.items() if group in _MAIN), None)
    return markers is None or holds(markers, runtime)


def _unneeded(packages: list[Mapping[str, Any]], runtime: Runtime) -> set[str]:
    """Return names that others depend on, but none of them on this platform (poetry 1 states no markers)."""
    needed: dict[str, bool] = {}
    for entry in packages:
        for name, wanted in entry.get("dependencies", {}).items():
            options = wanted if isinstance(wanted, list) else [wanted]
            applies = any(not isinstance(o, dict) or holds(o.get("markers", ""), runtime) for o in options)
            needed[name] = needed.get(name, False) or applies
    return {name for name, applies in needed.items() if not applies}


def holds(marker: str, runtime: Runtime) -> bool:
    """Return whether a marker is true, without any extra."""
    return not marker or Marker(marker).evaluate({**runtime.markers, "extra": ""})


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a UTF-8 text"
        raise SourceError(f"{path}: cannot be read: {reason}; check the path and its permissions") from error


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return read_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{path}: not a valid lock file: {error}; write it anew with its own tool") from error

"""uv.lock: walk from the project to what it needs on one platform."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName

from abiclash.errors import SourceError
from abiclash.sources.pylock import File, Unfit, best_file, file_at, misfit, package_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from abiclash.sources.platform import Runtime
    from abiclash.sources.resolution import Package

Entry = dict[str, Any]

_PROJECT = {"virtual", "editable"}


def read_uv_lock(lock: Mapping[str, Any], path: Path, runtime: Runtime) -> tuple[list[Package], list[Unfit]]:
    """Return the wheels of the packages that the project needs, and the packages that have none.

    Requested are the direct dependencies of the project (or of the members of the workspace).
    """
    try:
        entries: list[Entry] = list(lock.get("package", []))
        projects = [entry for entry in entries if _PROJECT & entry["source"].keys()]
        reached = _reached(entries, projects, runtime) if projects else entries
        direct = {d["name"] for entry in projects for d in entry.get("dependencies", ()) if _holds(d, runtime)}
        return _files(reached, direct or {entry["name"] for entry in entries}, path, runtime)
    except (KeyError, TypeError, AttributeError, InvalidMarker, UndefinedEnvironmentName) as error:
        raise SourceError(f"{path}: not of the form of uv.lock ({error!r}); write it anew with `uv lock`") from error


def _reached(entries: list[Entry], projects: list[Entry], runtime: Runtime) -> list[Entry]:
    """Return the packages that dependencies lead to, in the order of the lock, without the projects."""
    todo = deque((entry, "") for entry in projects)
    seen: set[tuple[int, str]] = set()
    while todo:
        entry, extra = todo.popleft()
        if (id(entry), extra) in seen:
            continue
        seen.add((id(entry), extra))
        wanted = entry.get("optional-dependencies", {}).get(extra, ()) if extra else entry.get("dependencies", ())
        for dependency in wanted:
            if _holds(dependency, runtime):
                for chosen in _named(entries, dependency, runtime):
                    todo.extend((chosen, name) for name in ("", *dependency.get("extra", ())))
    ids = {index for index, _ in seen} - {id(entry) for entry in projects}
    return [entry for entry in entries if id(entry) in ids]


def _named(entries: list[Entry], dependency: Entry, runtime: Runtime) -> Iterator[Entry]:
    """Yield the entries that a dependency means; version and source are given where a name has several."""
    for entry in entries:
        if any(key in dependency and dependency[key] != entry.get(key) for key in ("name", "version", "source")):
            continue
        forks = entry.get("resolution-markers")
        if not forks or any(_true(marker, runtime) for marker in forks):
            yield entry


def _holds(dependency: Entry, runtime: Runtime) -> bool:
    return _true(dependency.get("marker", ""), runtime)


def _true(marker: str, runtime: Runtime) -> bool:
    return not marker or Marker(marker).evaluate({**runtime.markers, "extra": ""})


def _files(
    entries: list[Entry], requested: set[str], path: Path, runtime: Runtime
) -> tuple[list[Package], list[Unfit]]:
    packages, unfit = [], []
    for entry in entries:
        name, version = entry["name"], str(entry.get("version", ""))
        offered = list(_wheels(entry, path.resolve().parent))
        best = best_file(offered, runtime.tags)
        if best is not None:
            packages.append(package_of(name, best, requested=name in requested))
            continue
        built = sorted({"git", "directory", "editable", "virtual"} & entry["source"].keys())
        reason = f"comes from a {built[0]} source; build a wheel of it" if built else misfit(offered, runtime)
        unfit.append(Unfit(name, version, reason, replaceable=False))
    return packages, unfit


def _wheels(entry: Entry, folder: Path) -> Iterator[File]:
    """Yield the wheels of an entry; paths are relative to the local index, if it comes from one."""
    registry = entry["source"].get("registry", "")
    local = folder / registry if registry and "://" not in registry else folder
    for wheel in entry.get("wheels", ()):
        url, inside = wheel.get("url") or entry["source"].get("url"), wheel.get("path") or entry["source"].get("path")
        digest = wheel.get("hash", "")
        hashes = {"sha256": digest.removeprefix("sha256:")} if digest.startswith("sha256:") else {}
        file = file_at(wheel.get("filename"), url, inside, local, hashes)
        if file is not None:
            yield File(file.filename, file.sha256, file.url, file.path, wheel.get("size"))

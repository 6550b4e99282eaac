"""From a name to a loaded object under musl: ldso/dynlink.c load_library, load_deps (musl 1.2)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.linker.link_map import LinkMap, LoadFailure, MapType
from abiclash.linker.musl_symbols import is_c_library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.linker.musl import MuslProcess

_ITSELF = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.")
"""Names that mean the dynamic linker, which is the C library (load_library)."""
_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")
_NO_FILE, _NO_EXEC = "No such file or directory", "Exec format error"
_ET_EXEC, _ET_DYN = 2, 3


@dataclass(frozen=True, slots=True)
class Missing(Exception):  # noqa: N818 - a value of errno, caught at once
    errno: str


def load(process: MuslProcess, name: str, needed_by: LinkMap | None, kind: MapType, *, noload: bool = False) -> LinkMap:
    """load_library: the object that a name means. Raises Missing with the reason."""
    main = process.maps[process.executable] if process.executable is not None else None
    library = process.world.paths[process.library] if process.library is not None else ""
    if _ITSELF.match(name) or name == library or (main is not None and name == main.facts.interp):
        return _itself(process)
    if "/" in name:
        path = name
    else:
        for link in process.maps.values():
            if link is not main and name in link.names:
                return link
        path = _search(process, name, needed_by)
    file = process.world.find(path)
    if file is None:
        raise Missing(process.world.why_absent(path))
    same = process.maps.get(file)
    if same is not None and same is not main:
        if path != name and not same.names:
            same.names.add(posixpath.basename(same.name))
        return same
    facts = process.world.facts[file]
    if noload or facts is None or facts.type not in (_ET_EXEC, _ET_DYN) or not facts.has_dynamic:
        raise Missing(_NO_EXEC)
    if file == process.library or is_c_library(facts):
        return _itself(process)
    link = LinkMap(file, facts, path, kind, needed_by.file if needed_by is not None else None)
    if path != name:
        link.names.add(posixpath.basename(path))
    process.maps[file] = link
    return link


def _itself(process: MuslProcess) -> LinkMap:
    """Return the C library, which enters the list of objects when it is first asked for."""
    file = process.library
    facts = process.world.facts[file] if file is not None else None
    if file is None or facts is None:
        raise LoadFailure("missing-library", "musl's dynamic linker", _NO_FILE)
    if file not in process.maps:
        link = process.maps[file] = LinkMap(file, facts, process.world.paths[file], MapType.LIBRARY, None)
        link.search_list = (file,)
    return process.maps[file]


def _search(process: MuslProcess, name: str, needed_by: LinkMap | None) -> str:
    """Return the first file of that name along the paths (path_open); what is in it does not matter yet."""
    for directory in _directories(process, needed_by):
        if directory and process.world.find(f"{directory}/{name}") is not None:
            return f"{directory}/{name}"
    raise Missing(_NO_FILE)


def _directories(process: MuslProcess, needed_by: LinkMap | None) -> Iterator[str]:
    """LD_LIBRARY_PATH, the run paths from the requester up to the program, then the system's path."""
    yield from process.host.library_path
    link = needed_by
    while link is not None:
        yield from _run_path(link)
        above = link.loader
        link = process.maps.get(above) if above is not None else None
    yield from process.host.default_dirs


def load_dependencies(process: MuslProcess, root: LinkMap, kind: MapType) -> None:
    """load_deps and extend_bfs_deps: everything new loads its own, in load order; then the root gets its list.

    What was preloaded counts as needed by the program.
    """
    if root.search_list is not None:
        return
    place = list(process.maps).index(root.file)
    while place < len(process.maps):
        link = list(process.maps.values())[place]
        place += 1
        if link.dependencies is None and link.search_list is None:
            direct = [file for file in process.maps if file != root.file] if link.type is MapType.EXECUTABLE else []
            direct += [_need(process, name, link, kind) for name in link.facts.needed]
            link.direct = tuple(dict.fromkeys(direct))
            link.dependencies = (link.file, *link.direct)
    listed = [root.file, *(file for file in root.direct if file != root.file)]
    for file in listed:
        listed += [below for below in process.maps[file].direct if below not in listed]
    root.search_list = tuple(listed)


def _need(process: MuslProcess, name: str, needed_by: LinkMap, kind: MapType) -> int:
    try:
        return load(process, name, needed_by, kind).file
    except Missing as missing:
        raise not_loaded(name, missing, needed_by) from missing


def _run_path(link: LinkMap) -> list[str]:
    """Return the directories of DT_RUNPATH, or else DT_RPATH (fixup_rpath); no other token than $ORIGIN is known."""
    value = link.facts.runpath if link.facts.runpath is not None else link.facts.rpath
    if value is None:
        return []
    text = _ORIGIN.sub(lambda _: posixpath.dirname(link.name), value)
    return [] if "$" in _ORIGIN.sub("", value) else re.split("[:\n]", text)


def not_loaded(name: str, missing: Missing, needed_by: LinkMap | None = None) -> LoadFailure:
    """Return the failure of a dlopen, or of what needs a library."""
    kind = "bad-object" if missing.errno == _NO_EXEC else "missing-library"
    by = f" (needed by {needed_by.name})" if needed_by is not None else ""
    return LoadFailure(
        kind,
        name,
        f"{missing.errno}{by}",
        needed_by=needed_by.file if needed_by is not None else None,
        form="Error loading shared library {object}: {reason}",
    )

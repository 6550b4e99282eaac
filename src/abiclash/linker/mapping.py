"""From a name to a loaded object: glibc elf/dl-load.c _dl_map_object, elf/dl-object.c _dl_new_object."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from abiclash.glibc_versions import STACK_STAYS
from abiclash.linker import load_checks
from abiclash.linker.link_map import GLOBAL_SCOPE, LinkMap, LoadFailure, MapType, Mode, Scope
from abiclash.linker.search_path import DF_1_NODEFLIB, directories, expand, find_library, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from abiclash.linker.process import Process


@dataclass(slots=True)
class Answers:
    """Which loaded object answers to a name: the first in load order that has it, or has it as DT_SONAME.

    Objects only come at the end, so the index grows with them; when objects go it is cleared. files: file ids.
    count: how many objects are in it.
    """

    files: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def get(self, maps: Mapping[int, LinkMap], name: str) -> LinkMap | None:
        """Return the object that answers to a name."""
        if self.count < len(maps):
            for link in islice(maps.values(), self.count, None):
                for known in (link.name, *link.names, link.facts.soname):
                    if known is not None:
                        self.files.setdefault(known, link.file)
            self.count = len(maps)
        file = self.files.get(name)
        return None if file is None else maps[file]

    def clear(self) -> None:
        """Forget everything: objects have gone."""
        self.files.clear()
        self.count = 0

    def copy(self) -> Answers:
        return Answers(dict(self.files), self.count)


def loaded(process: Process, name: str) -> LinkMap | None:
    """Find an object by a name it was opened by or by its DT_SONAME (_dl_map_object)."""
    link = process.answers.get(process.maps, name)
    if link is not None and name != link.name:
        link.names.add(name)
    return link


def by_exact_name(process: Process, name: str) -> LinkMap | None:
    """Find an object by the names it was asked for, in load order (elf/dl-version.c find_needed)."""
    link = process.answers.get(process.maps, name)
    if link is not None and (name == link.name or name in link.names):
        return link
    return next((link for link in process.maps.values() if name == link.name or name in link.names), None)


def map_object(
    process: Process,
    name: str,
    requester: LinkMap | None,
    kind: MapType,
    *,
    mode: Mode = Mode.NOW,
    by_dlopen: bool = False,
) -> LinkMap | None:
    """Return the map for a name, loading the file where no loaded object answers to it.

    Returns None only for RTLD_NOLOAD; raises LoadFailure.
    """
    known = loaded(process, name)
    if known is not None:
        return known
    path, file = _locate(process, name, requester)
    same = process.maps.get(file)
    if same is not None:  # another name of a loaded file (same device and inode)
        same.names.add(name)
        process.answers.files[name] = same.file
        return same
    if Mode.NOLOAD in mode:
        return None
    facts = process.world.facts[file]
    if facts is None:
        raise LoadFailure("bad-object", path, "invalid ELF header")
    free = process.executable_stack or _stack_may_change(process, kind)
    load_checks.loadable(facts, name, process.host, by_dlopen=kind is MapType.LOADED, stack_free=free)
    process.executable_stack |= load_checks.wants_executable_stack(facts, process.host)
    loader = None if by_dlopen or requester is None else requester.file
    link = LinkMap(file, facts, path, kind, loader, {name})
    process.maps[file] = link
    link.scope = _first_scope(process, link, mode)
    if facts.flags_1 & load_checks.DF_1_NODELETE:
        process.pinned = process.pinned.mark([file])
    if facts.flags_1 & load_checks.DF_1_INITFIRST:
        process.init_first = file
    return link


def _stack_may_change(process: Process, kind: MapType) -> bool:
    """Tell whether the stack becomes executable for an object that needs it."""
    if process.host.libc_version not in STACK_STAYS:
        return True
    return kind is MapType.LIBRARY and process.host.tunables.get("rtld.execstack", 1) != 0


def _locate(process: Process, name: str, requester: LinkMap | None) -> tuple[str, int]:
    """Return (l_name, file) of what a name means to an object that asks."""
    world, host = process.world, process.host
    skipped = set()
    errno = "No such file or directory"

    def usable(candidate: int, path: str) -> bool:
        verdict = load_checks.verify(world, candidate, path, host)
        skipped.add(verdict)
        return verdict == "fits"

    if "/" in name:
        path = expand(name, origin_of(requester.name) if requester is not None else "/", host)
        file = world.find(path)
        if file is not None and usable(file, path):
            return path, file
        errno = errno if file is not None else world.why_absent(path)
    else:
        main = process.maps.get(-1 if process.executable is None else process.executable)
        places = list(directories(requester, list(_chain(process, requester)), main, host))
        if not places and requester is not None and requester.facts.flags_1 & DF_1_NODEFLIB:
            errno = ""  # nothing was tried
        found = find_library(name, iter(places), requester, world, host, usable)
        if found is not None:
            return found[0], found[1]
    if "class" in skipped:
        raise load_checks.wrong_class(name, host)
    reason = "cannot open shared object file" + (errno and f": {errno}")
    raise LoadFailure("missing-library", name, reason, needed_by=requester.file if requester is not None else None)


def _chain(process: Process, link: LinkMap | None) -> Iterator[LinkMap]:
    """Walk l_loader upwards."""
    while link is not None:
        yield link
        link = process.maps.get(link.loader) if link.loader is not None else None


def _first_scope(process: Process, link: LinkMap, mode: Mode) -> list[Scope]:
    """l_scope of an object that dlopen brings (_dl_new_object, and DT_SYMBOLIC in _dl_map_object_from_fd)."""
    *_, top = _chain(process, link)
    own = Scope(top.file)
    if Mode.DEEPBIND in mode:
        return [own, GLOBAL_SCOPE]
    scope = [GLOBAL_SCOPE, own]
    if link.facts.flags & load_checks.DF_SYMBOLIC:
        scope.insert(0, Scope(link.file, alone=True))
    return scope

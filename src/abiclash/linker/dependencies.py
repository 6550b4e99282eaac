"""The search list of an opened object: glibc 2.36 elf/dl-deps.c _dl_map_object_deps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.linker.link_map import LoadFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from abiclash.linker.link_map import LinkMap

    MapByName = Callable[[str, LinkMap], LinkMap | None]


def search_list(root: LinkMap, preloads: Iterable[LinkMap], load: MapByName) -> list[LinkMap]:
    """Walk DT_NEEDED breadth-first from `root`, loading what is not there yet, and return the list.

    load: returns the map for a name that an object needs, or raises LoadFailure. Objects that DT_AUXILIARY and
    DT_FILTER name go before the object that names them; a missing auxiliary is no failure. Each dependency that
    has no list of its own yet gets its direct dependencies recorded (l_initfini).
    """
    listed = [root, *preloads]
    done: set[int] = set()
    at = 0
    while at < len(listed):
        link = listed[at]
        if link.file in done:
            at += 1
            continue
        done.add(link.file)
        direct: list[int] = []
        for name in link.facts.needed:
            _append(load(name, link), listed, direct)
        for name in link.facts.filter:  # linkers write DT_FILTER before DT_AUXILIARY
            _insert_before(link, load(name, link), listed, direct)
        for name in link.facts.auxiliary:
            try:
                _insert_before(link, load(name, link), listed, direct)
            except LoadFailure:
                continue
        link.direct = tuple(direct)
        if link.search_list is None and link.dependencies is None and link is not root:
            link.dependencies = (link.file, *direct)
    return listed


def _append(link: LinkMap | None, listed: list[LinkMap], direct: list[int]) -> None:
    if link is not None:
        direct.append(link.file)
        if all(other is not link for other in listed):
            listed.append(link)


def _insert_before(current: LinkMap, link: LinkMap | None, listed: list[LinkMap], direct: list[int]) -> None:
    """Put a filtee before the object that names it, unless it stands earlier already."""
    if link is None:
        return
    direct.append(link.file)
    place = listed.index(current)
    if any(other is link for other in listed[:place]):
        return
    if any(other is link for other in listed[place:]):
        listed.remove(link)
    listed.insert(place, link)

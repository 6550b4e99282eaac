"""The order in which objects are initialised: glibc 2.36 elf/dl-sort-maps.c.

dependencies(object) stands for l_initfini: None while the object has no list yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    Dependencies = Callable[[int], Sequence[int] | None]
    Bound = Mapping[int, Sequence[int]]


def sort_maps(
    maps: Sequence[int],
    dependencies: Dependencies,
    main: int | None,
    *,
    dfs: bool,
    also: Bound | None = None,
    still: Container[int] = (),
) -> list[int]:
    """Sort dependents before dependencies, the first object staying first (_dl_sort_maps, force_first).

    dfs: the algorithm of glibc 2.35 and later (glibc.rtld.dynamic_sort=2); before, the original one.
    main: the executable, which the depth-first walk never enters (l_main_map).
    also: l_reldeps, which count where objects are unloaded (for_fini), less than dependencies do. still: those that
    stay.
    """
    if not dfs:
        return [maps[0], *_original(list(maps[1:]), dependencies, also, still)]
    if also is None:
        return _depth_first(maps, dependencies, main)

    def all_of(file: int) -> Sequence[int]:
        return [*(dependencies(file) or ()), *reversed(also.get(file, ()))]

    return _depth_first(_depth_first(maps, all_of, main, force=False), dependencies, main, first=maps[0])


def sort_to_relocate(maps: Sequence[int], dependencies: Dependencies) -> list[int]:
    """Sort what a dlopen has to relocate, dependents first, as before glibc 2.32 (elf/dl-open.c dl_open_worker)."""
    return _original(list(maps), dependencies, None, ())


def _depth_first(
    maps: Sequence[int], dependencies: Dependencies, main: int | None, *, first: int | None = None, force: bool = True
) -> list[int]:
    """_dl_sort_maps_dfs: reverse post-order of depth-first walks begun from the back of the list.

    force: move `first`, by default the first of the list, to the front again.
    """
    wanted = set(maps)
    visited: set[int] = set()
    finished: list[int] = []
    for start in reversed(maps):
        if start in visited:
            continue
        visited.add(start)
        stack = [(start, iter(dependencies(start) or ()))]
        while stack:
            node, rest = stack[-1]
            for dependency in rest:
                if dependency not in visited and dependency != main:
                    visited.add(dependency)
                    stack.append((dependency, iter(dependencies(dependency) or ())))
                    break
            else:
                finished.append(node)
                stack.pop()
    order = [node for node in reversed(finished) if node in wanted]
    if not force:
        return order
    front = maps[0] if first is None else first
    order.remove(front)
    return [front, *order]


def _original(maps: list[int], dependencies: Dependencies, also: Bound | None, still: Container[int]) -> list[int]:
    """_dl_sort_maps_original: move each object behind the last one that depends on it."""

    def needs(other: int, this: int) -> bool:
        if this in (dependencies(other) or ()):
            return True
        return also is not None and this in also.get(other, ()) and other not in (dependencies(this) or ())

    position = 0
    seen = dict.fromkeys(maps, 0)
    while position < len(maps):
        this = maps[position]
        seen[this] += 1
        last = position
        if this not in still:
            last = next((k for k in range(len(maps) - 1, position, -1) if needs(maps[k], this)), position)
        if last == position:
            position += 1
            seen.update(dict.fromkeys(maps[position:], 0))
            continue
        maps.insert(last, maps.pop(position))
        if seen[maps[position]] > len(maps) - position:  # a cycle: give up on this place
            position += 1
            seen.update(dict.fromkeys(maps[position:], 0))
    return maps

"""Which file a name means: glibc 2.36 elf/dl-load.c _dl_map_object, open_path, fillin_rpath and elf/dl-cache.c."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Protocol

from abiclash.glibc_versions import FILES_PASSED_OVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.world import World

DF_1_NODEFLIB = 0x800
_TOKEN = re.compile(r"\$(?:\{(ORIGIN|LIB|PLATFORM)\}|(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_]))")


class SearchSettings(Protocol):
    """The part of a host profile that names the places where libraries are searched."""

    @property
    def lib(self) -> str: ...
    @property
    def platform(self) -> str: ...
    @property
    def subdirectories(self) -> Sequence[str]: ...
    @property
    def cache(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def default_dirs(self) -> Sequence[str]: ...
    @property
    def library_path(self) -> Sequence[str]: ...
    @property
    def libc_version(self) -> tuple[int, int]: ...


def expand(text: str, origin: str, settings: SearchSettings) -> str:
    """Expand $ORIGIN, $LIB and $PLATFORM (_dl_dst_substitute)."""
    if "$" not in text:
        return text
    values = {"ORIGIN": origin, "LIB": settings.lib, "PLATFORM": settings.platform}
    return _TOKEN.sub(lambda match: values[match[1] or match[2]], text)


def origin_of(name: str) -> str:
    """Return l_origin: the directory of the path by which the object was found, links unresolved."""
    return posixpath.dirname(name) or "/"


def run_path(value: str, origin: str, settings: SearchSettings) -> list[str]:
    """Return the directories of a DT_RPATH or DT_RUNPATH (fillin_rpath); an empty element is the working directory."""
    return [expand(part, origin, settings) for part in value.split(":")]


def directories(
    requester: LinkMap | None,
    chain: Sequence[LinkMap],
    executable: LinkMap | None,
    settings: SearchSettings,
) -> Iterator[tuple[str, str]]:
    """Yield (directory, why) in the order of _dl_map_object, up to the cache.

    requester: the object that asks. chain: requester, its loader, and so on (l_loader).
    """

    def path_of(link: LinkMap, value: str, why: str) -> Iterator[tuple[str, str]]:
        for directory in run_path(value, origin_of(link.name), settings):
            yield directory, why

    if requester is None or requester.facts.runpath is None:
        for link in chain:
            if link.facts.rpath is not None and link.facts.runpath is None:
                yield from path_of(link, link.facts.rpath, f"RPATH of {link.name}")
        if executable is not None and executable not in chain:
            facts = executable.facts
            if facts.rpath is not None and facts.runpath is None:
                yield from path_of(executable, facts.rpath, "RPATH of the executable")
    for directory in settings.library_path:
        yield directory, "LD_LIBRARY_PATH"
    if requester is not None and requester.facts.runpath is not None:
        yield from path_of(requester, requester.facts.runpath, f"RUNPATH of {requester.name}")


def find_library(
    name: str,
    places: Iterator[tuple[str, str]],
    requester: LinkMap | None,
    world: World,
    settings: SearchSettings,
    usable: Callable[[int, str], bool],
) -> tuple[str, int, str] | None:
    """Find the file for a name without a slash. Returns (l_name, file id, why it was found there).

    usable: tells whether open_verify takes the file of an id under a path.
    """
    ended = None
    for directory, why in places:
        if why == ended:
            continue
        if _is_file(directory, world) and settings.libc_version not in FILES_PASSED_OVER:
            ended = why
        for candidate in _in_directory(directory, name, settings.subdirectories):
            file = world.find(candidate)
            if file is not None and usable(file, candidate):
                return candidate, file, why
    no_default = requester is not None and bool(requester.facts.flags_1 & DF_1_NODEFLIB)
    for candidate in settings.cache.get(name, ()):
        if no_default and any(candidate.startswith(f"{each}/") for each in settings.default_dirs):
            continue
        file = world.find(candidate)
        if file is not None and usable(file, candidate):
            return candidate, file, "ld.so.cache"
        break  # the cache names one best entry, and only that is tried
    if not no_default:
        for directory in settings.default_dirs:
            for candidate in _in_directory(directory, name, settings.subdirectories):
                file = world.find(candidate)
                if file is not None and usable(file, candidate):
                    return candidate, file, "default directory"
    return None


def _is_file(directory: str, world: World) -> bool:
    """Tell whether a search directory is relative, so that ld.so takes it to be there, but a file (open_path)."""
    return bool(directory) and not directory.startswith("/") and world.find(directory) is not None


def _in_directory(directory: str, name: str, subdirectories: Sequence[str]) -> Iterator[str]:
    above = f"{directory}/" if directory else ""
    for below in subdirectories:
        yield f"{above}{below}/{name}"
    yield f"{above}{name}"

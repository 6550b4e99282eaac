"""What ld.so refuses to load, in its own words (glibc 2.36 elf/dl-load.c open_verify, elf/dl-version.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from abiclash.linker.link_map import LoadFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.facts.model import ObjectFacts
    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.world import World

DF_SYMBOLIC = 0x2
DF_1_NOOPEN = 0x40
DF_1_PIE = 0x08000000
ET_EXEC, ET_DYN = 2, 3

_MACHINES = {
    "x86_64": (62, 64, True),
    "i686": (3, 32, True),
    "i386": (3, 32, True),
    "aarch64": (183, 64, True),
    "armv7l": (40, 32, True),
    "ppc64le": (21, 64, True),
    "s390x": (22, 64, False),
    "riscv64": (243, 64, True),
}
"""e_machine, bits, little-endian of each platform's objects."""


class HostFacts(Protocol):
    """What the checks need of a host."""

    @property
    def machine(self) -> str: ...
    @property
    def libc_version(self) -> tuple[int, int]: ...


def fits(world: World, file: int, host: HostFacts) -> Literal["fits", "class", "machine"]:
    """Say whether open_verify takes a file, or passes over it for its class or machine.

    A file that is no ELF counts as fitting: ld.so stops there with an error.
    """
    facts = world.facts[file]
    if facts is None:
        return "fits"
    machine, bits, little = _MACHINES[host.machine]
    if facts.bits != bits:
        return "class"
    return "fits" if facts.machine == machine and facts.little == little else "machine"


def wrong_class(world: World, file: int, name: str) -> LoadFailure:
    """Return the failure of a search that met objects of the other class only."""
    facts = world.facts[file]
    bits = facts.bits if facts is not None else 0
    return LoadFailure("bad-object", name, f"wrong ELF class: ELFCLASS{bits}")


def require_class(world: World, file: int, name: str, host: HostFacts) -> None:
    """Refuse a file named by its path that is of another class or machine."""
    verdict = fits(world, file, host)
    if verdict == "class":
        raise wrong_class(world, file, name)
    if verdict == "machine":
        raise LoadFailure("bad-object", name, "cannot open shared object file: No such file or directory")


def loadable(world: World, file: int, name: str, host: HostFacts) -> ObjectFacts:
    """Return the facts of a file that ld.so can map as a shared object, or raise its refusal."""
    facts = world.facts[file]
    path = world.paths[file]
    if facts is None:
        raise LoadFailure("bad-object", path, "invalid ELF header")
    if facts.type not in (ET_EXEC, ET_DYN):
        raise LoadFailure("bad-object", path, "only ET_DYN and ET_EXEC can be loaded")
    if not facts.has_dynamic:
        raise LoadFailure("bad-object", name, "object file has no dynamic section")
    if facts.type == ET_EXEC:
        raise LoadFailure("bad-object", name, "cannot dynamically load executable")
    if facts.flags_1 & DF_1_PIE:
        raise LoadFailure("bad-object", name, "cannot dynamically load position-independent executable")
    if facts.flags_1 & DF_1_NOOPEN:
        raise LoadFailure("bad-object", name, "shared object cannot be dlopen()ed")
    if facts.exec_stack and host.libc_version >= (2, 41):
        raise LoadFailure(
            "executable-stack", name, "cannot enable executable stack as shared object requires: Invalid argument"
        )
    return facts


def require_versions(link: LinkMap, find_needed: Callable[[str], LinkMap | None]) -> None:
    """Refuse an object whose needed versions its libraries do not define (match_symbol)."""
    for library, versions in link.facts.needs:
        needed = find_needed(library)
        if needed is None:  # "should never happen": ld.so asserts
            raise LoadFailure("missing-library", link.name, f"needed = {library}: no such object is loaded")
        defined = {v.name for v in needed.facts.versions if v.file is None}
        if needed.facts.base_version is not None:
            defined.add(needed.facts.base_version)
        if not defined:
            continue  # no DT_VERDEF: accepted
        for version in versions:
            if version.name not in defined and not version.weak:
                raise LoadFailure(
                    "missing-version",
                    needed.name,
                    f"version `{version.name}' not found (required by {link.name})",
                    needed_by=link.file,
                    version=version.name,
                )

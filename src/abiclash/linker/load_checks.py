"""What ld.so refuses to load, in its own words (glibc elf/dl-load.c, elf/dl-version.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from abiclash.glibc_versions import LIBRARY_OF_VERSIONS, PIE_REFUSED, STACK_STAYS
from abiclash.linker.link_map import LoadFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.facts.model import ObjectFacts
    from abiclash.glibc_versions import Assertion
    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import HostSettings
    from abiclash.linker.world import World

DF_SYMBOLIC = 0x2
DF_1_NODELETE = 0x8
DF_1_INITFIRST = 0x20
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
_OSABI = (0, 3)  # ELFOSABI_SYSV, ELFOSABI_GNU
_PLAIN_STACK = frozenset({"aarch64", "ppc64le", "riscv64"})
"""Machines where an object without PT_GNU_STACK gets no executable stack (DEFAULT_STACK_PERMS)."""


class HostFacts(Protocol):
    """What the checks need of a host."""

    @property
    def machine(self) -> str: ...
    @property
    def libc_version(self) -> tuple[int, int]: ...


def verify(world: World, file: int, path: str, host: HostFacts) -> Literal["fits", "class", "machine"]:
    """Say whether open_verify takes a file, or passes over it for its class or machine. path: as ld.so formed it.

    Raises LoadFailure for what ends the search.
    """
    machine, bits, little = _MACHINES[host.machine]
    facts = world.facts[file]
    head = world.head(file)
    if head is not None:
        verdict = _verify_head(head, path, host)
        if verdict == "fits" and facts is None:  # damaged further inside
            raise LoadFailure("bad-object", path, "object file has no loadable segments")
        return verdict
    if facts is None:  # nothing is known of it
        raise LoadFailure("bad-object", path, "invalid ELF header")
    if facts.bits != bits:
        return "class"
    if facts.little != little:
        raise _wrong_order(path, little=little)
    if facts.osabi not in _OSABI:
        raise LoadFailure("bad-object", path, "ELF file OS ABI invalid")
    if facts.machine != machine:
        return "machine"
    if facts.type not in (ET_EXEC, ET_DYN):
        raise LoadFailure("bad-object", path, "only ET_DYN and ET_EXEC can be loaded")
    return "fits"


def _verify_head(head: bytes, path: str, host: HostFacts) -> Literal["fits", "class", "machine"]:
    """Judge a file by its first bytes, as open_verify does."""
    machine, bits, little = _MACHINES[host.machine]
    order: Literal["little", "big"] = "little" if little else "big"
    size, entry_at, entry_size = (64, 54, 56) if bits == 64 else (52, 42, 32)

    def number(at: int, width: int) -> int:
        return int.from_bytes(head[at : at + width], order)

    if len(head) < size:
        raise LoadFailure("bad-object", path, "file too short")
    if head[:4] != b"\x7fELF":
        raise LoadFailure("bad-object", path, "invalid ELF header")
    if head[4] != bits // 32:
        return "class"
    if head[5] != (1 if little else 2):
        raise _wrong_order(path, little=little)
    _demand(
        path,
        (head[6] == 1, "ELF file version ident does not match current one"),
        (head[7] in _OSABI, "ELF file OS ABI invalid"),
        (head[7] != 0 or head[8] == 0, "ELF file ABI version invalid"),
        (not any(head[9:16]), "nonzero padding in e_ident"),
        (number(20, 4) == 1, "ELF file version does not match current one"),
    )
    if number(18, 2) != machine:
        return "machine"
    _demand(
        path,
        (number(16, 2) in (ET_EXEC, ET_DYN), "only ET_DYN and ET_EXEC can be loaded"),
        (number(entry_at, 2) == entry_size, "ELF file's phentsize not the expected size"),
    )
    return "fits"


def _demand(path: str, *tests: tuple[bool, str]) -> None:
    """Refuse a file with the reason of the first test that it does not pass."""
    for passed, reason in tests:
        if not passed:
            raise LoadFailure("bad-object", path, reason)


def _wrong_order(path: str, *, little: bool) -> LoadFailure:
    return LoadFailure("bad-object", path, f"ELF file data encoding not {'little' if little else 'big'}-endian")


def wrong_class(name: str, host: HostFacts) -> LoadFailure:
    """Return the failure of a search that met objects of the other class only."""
    return LoadFailure("bad-object", name, f"wrong ELF class: ELFCLASS{96 - _MACHINES[host.machine][1]}")


def wants_executable_stack(facts: ObjectFacts, host: HostFacts) -> bool:
    """Tell whether an object asks for it: by PT_GNU_STACK, or by its absence where that means it."""
    return host.machine not in _PLAIN_STACK if facts.exec_stack is None else facts.exec_stack


def starts_with_executable_stack(facts: ObjectFacts, executable: str, host: HostSettings) -> bool:
    """Tell whether a program begins with an executable stack (elf/dl-execstack-tunable.c). Raises LoadFailure."""
    wants = wants_executable_stack(facts, host)
    if host.libc_version not in STACK_STAYS:
        return wants
    setting = host.tunables.get("rtld.execstack", 1)
    if wants and setting == 0:
        form = "Fatal glibc error: {reason}"
        raise LoadFailure("executable-stack", executable, "executable stack is not allowed", form=form)
    return wants or setting == 2


def loadable(facts: ObjectFacts, name: str, host: HostFacts, *, by_dlopen: bool, stack_free: bool) -> None:
    """Raise ld.so's refusal of an object that it cannot map as a shared one (_dl_map_object_from_fd).

    by_dlopen: it comes after the start. stack_free: the stack is executable already, or may still become so.
    """
    if facts.type == ET_EXEC:
        raise LoadFailure("bad-object", name, "cannot dynamically load executable")
    if not facts.has_dynamic:
        raise LoadFailure("bad-object", name, "object file has no dynamic section")
    if facts.flags_1 & DF_1_PIE and host.libc_version in PIE_REFUSED:
        raise LoadFailure("bad-object", name, "cannot dynamically load position-independent executable")
    if facts.flags_1 & DF_1_NOOPEN and by_dlopen:
        raise LoadFailure("bad-object", name, "shared object cannot be dlopen()ed")
    if not stack_free and wants_executable_stack(facts, host):
        raise LoadFailure(
            "executable-stack", name, "cannot enable executable stack as shared object requires: Invalid argument"
        )


def inconsistency(assertion: Assertion, version: tuple[int, int], link: LinkMap) -> LoadFailure:
    """Return the end of a process by an assertion in ld.so, over an object that it was working on."""
    form = "Inconsistency detected by ld.so: {reason}"
    return LoadFailure("inconsistency", link.name, assertion.text(version), needed_by=link.file, form=form)


def require_versions(
    link: LinkMap, find_needed: Callable[[str], LinkMap | None], libc_version: tuple[int, int]
) -> None:
    """Refuse an object whose needed versions its libraries do not define (match_symbol).

    A library that verneed names and nothing has loaded under that name ends the process.
    """
    for library, versions in link.facts.needs:
        needed = find_needed(library)
        if needed is None:
            raise inconsistency(LIBRARY_OF_VERSIONS, libc_version, link)
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

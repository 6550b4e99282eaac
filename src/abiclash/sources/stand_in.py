"""An interpreter's build for one machine in the place of the build for another, of which no facts are at hand.

CPython exports the same names everywhere, so what a build *defines* stands in for another build. What it *uses* does
not (the C library's symbol versions differ by machine), and is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.model import References

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.facts.model import ObjectFacts

_ELF = {
    "x86_64": (62, 64, True),
    "i686": (3, 32, True),
    "aarch64": (183, 64, True),
    "armv7l": (40, 32, True),
    "ppc64le": (21, 64, True),
    "s390x": (22, 64, False),
    "riscv64": (243, 64, True),
}
"""e_machine, bits and byte order (little) by machine."""

_TRIPLETS = {
    "x86_64": "x86_64-linux-{}",
    "i686": "i386-linux-{}",
    "aarch64": "aarch64-linux-{}",
    "armv7l": "arm-linux-{}eabihf",
    "ppc64le": "powerpc64le-linux-{}",
    "s390x": "s390x-linux-{}",
    "riscv64": "riscv64-linux-{}",
}

_MUSL = {"i686": ("i386", "x86"), "armv7l": ("armhf", "armv7"), "ppc64le": ("powerpc64le", "ppc64le")}
"""What musl calls a machine (LDSO_ARCH of its configure) and what Alpine does, where they differ from ours."""


def musl_names(machine: str) -> tuple[str, str]:
    """Return the path of musl's dynamic linker, and the soname under which Alpine's builds need its C library."""
    ours, alpine = _MUSL.get(machine, (machine, machine))
    return f"/lib/ld-musl-{ours}.so.1", f"libc.musl-{alpine}.so.1"


def triplet(machine: str, libc: str) -> str:
    """Return the name that CPython (and Debian, for glibc) gives to a platform: x86_64-linux-gnu."""
    return _TRIPLETS[machine].format("gnu" if libc == "glibc" else "musl")


def renamed(machine: str, libc: str, other_machine: str, other_libc: str) -> Callable[[str], str]:
    """Return a function that puts another platform's triplet into paths and suffixes."""
    old, new = triplet(machine, libc), triplet(other_machine, other_libc)
    return lambda text: text.replace(old, new)


def without_libpython(facts: ObjectFacts) -> ObjectFacts:
    """Return an object as a build without a shared libpython has it.

    Until CPython 3.7 the extension modules of a shared build name libpython among the libraries that they need
    (CPython bpo-21536), those of a static build do not; nothing else tells them apart.
    """
    return replace(facts, needed=tuple(name for name in facts.needed if not name.startswith("libpython")))


def definitions_only(
    machine: str, libc: str, rename: Callable[[str], str], *, static: bool
) -> Callable[[ObjectFacts], ObjectFacts]:
    """Return a function that turns an object's facts into those of its definitions, for another platform.

    Of the libraries it needs libpython stays, and the C library: on glibc with every library that has the same name
    on all machines, on musl as its one file. static: the build has no shared libpython.
    """
    none = References(np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty(0, np.uint32))
    number, bits, little = _ELF[machine]
    loader, c_library = musl_names(machine) if libc == "musl" else (None, "")  # glibc's comes with the C library

    def change(facts: ObjectFacts) -> ObjectFacts:
        needed = without_libpython(facts).needed if static else facts.needed
        kept = [name for name in needed if not name.startswith("ld-")]
        if libc == "musl":
            kept = [name for name in kept if name.startswith("libpython")] + [c_library]
        return replace(
            facts,
            path=rename(facts.path),
            bits=bits,
            little=little,
            machine=number,
            needed=tuple(kept),
            needs=(),
            interp=loader if facts.interp else None,
            references=none,
            init=replace(facts.init, references=np.empty(0, np.uint32)),
        )

    return change

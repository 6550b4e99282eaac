"""A set of packages that touch in every way there is: a shared library that one of them captures, equal sonames,
unique symbols, the global scope and static TLS; and some that keep to themselves.
"""

from __future__ import annotations

import importlib.machinery
from typing import TYPE_CHECKING

from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder

SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
_SHARED = "int state; int get(void) { return state; } int poll(void) { return get(); }"
_UNIQUE = """
.globl once
.type once, @gnu_unique_object
.size once, 4
.data
once: .long 1
.text
.globl PyInit__x
.type PyInit__x, @function
PyInit__x: movq once@GOTPCREL(%rip), %rax
ret
.section .note.GNU-stack,"",@progbits
"""
_USER = """
extern int state; int get(void);
__attribute__((constructor)) static void begin(void) { state = 1; get(); }
int PyInit__x(void) { return get(); }
"""
_SOURCES = {
    # name: source of its extension module, and whether it needs the shared library
    "apart": ("int PyInit__x(void) { return 0; }", False),
    "captor": ("int state; int get(void) { return 7; } int poll(void); int PyInit__x(void) { return poll(); }", True),
    "captor2": ("int state; int poll(void); int PyInit__x(void) { return poll() + state; }", True),
    "user": (_USER, True),
    "caller": ("int poll(void), get(void); int PyInit__x(void) { return poll() + get(); }", True),
}


def wheels(builder: Builder, folder: Path) -> list[str]:
    """Build the wheels; they need no index."""
    shared = builder.library("libshared.so.1", _SHARED, into=folder / "base")
    made = [_wheel(folder, "base", {"base/libshared.so.1": shared}, "")]
    for name, (source, needs) in _SOURCES.items():
        libs = [shared] if needs else []
        module = builder.library(f"_x{SUFFIX}", source, libs=libs, runpath="$ORIGIN/../base", into=folder / name)
        made.append(_wheel(folder, name, {f"{name}/_x{SUFFIX}": module}))
    for name in ("unique1", "unique2"):
        module = builder.library(f"_x{SUFFIX}", _UNIQUE, language="assembler", soname=name, into=folder / name)
        made.append(_wheel(folder, name, {f"{name}/_x{SUFFIX}": module}))
    for name, symbol in (("soname1", "int same(void) { return 1; }"), ("soname2", "int same(void) { return 2; }")):
        own = builder.library("libsame.so.1", symbol, into=folder / name)
        source = "int same(void); int PyInit__x(void) { return same(); }"
        module = builder.library(f"_x{SUFFIX}", source, libs=[own], runpath="$ORIGIN", into=folder / name)
        made.append(_wheel(folder, name, {f"{name}/_x{SUFFIX}": module, f"{name}/libsame.so.1": own}))
    module = builder.library(f"_x{SUFFIX}", "int get(void) { return 9; } int PyInit__x(void) { return get(); }")
    flags = "import sys\nsys.setdlopenflags(0x102)\nfrom . import _x\nsys.setdlopenflags(2)\n"
    made.append(_wheel(folder, "spreader", {f"spreader/_x{SUFFIX}": module}, flags))
    return [str(path) for path in made]


def _wheel(folder: Path, name: str, files: dict[str, Path], init: str = "from . import _x\n") -> Path:
    members: dict[str, str | bytes | Path] = {**files, f"{name}/__init__.py": init}
    return make_wheel(folder / "dist", members, name=name, tag="py3-none-linux_x86_64")

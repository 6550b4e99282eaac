"""ctypes and sys.setdlopenflags: libraries that a program opens by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.flags import RTLD_GLOBAL, RTLD_NOW
from abiclash.imports.paths import path_text
from abiclash.imports.values import UNKNOWN, Native, Raised, Thing, Value

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine
    from abiclash.imports.values import Frame

Args = list[Value]
Kwargs = dict[str, Value]


def set_flags(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """sys.setdlopenflags: an unknown value leaves the flags as they are."""
    flags = machine.force(args[0]) if args else UNKNOWN
    if isinstance(flags, int) and not isinstance(flags, bool):
        machine.flags = flags
    return None


def open_library(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame, call: str = "ctypes.CDLL") -> Value:
    """ctypes.CDLL(name, mode): `_ctypes.dlopen` adds RTLD_NOW to the mode. A missing file raises OSError."""
    name = machine.force(args[0] if args else kwargs.get("name"))
    mode = machine.force(args[1] if len(args) > 1 else kwargs.get("mode", 0))
    path = path_text(name)
    if path is None:
        return UNKNOWN
    return dlopen(machine, path, (mode if isinstance(mode, int) else 0) | RTLD_NOW, frame, call)


def dlopen(machine: Machine, path: str, flags: int, frame: Frame, call: str) -> Value:
    """Note the load of a library that exists, or whose name the dynamic linker will search for."""
    if "/" in path and machine.world.exists(path) is False:
        raise Raised("OSError", f"{path}: cannot open shared object file: No such file or directory")
    mode = ", mode=RTLD_GLOBAL" if flags & RTLD_GLOBAL else ""
    machine.load(path, flags, frame, f"{call}({path.rpartition('/')[2]!r}{mode})")
    return Thing("library", path)


def find_library(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """ctypes.util.find_library, answered by the host profile."""
    name = machine.force(args[0]) if args else UNKNOWN
    return machine.world.python.library(name) if isinstance(name, str) else UNKNOWN


def _loader(name: str) -> Native:
    return Native(name, lambda m, args, kwargs, frame: open_library(m, args[:1], kwargs, frame, f"ctypes.{name}"))


def _class(name: str) -> Native:
    return Native(name, lambda m, args, kwargs, frame: open_library(m, args, kwargs, frame, f"ctypes.{name}"))


NATIVES: dict[str, dict[str, Value]] = {
    "ctypes": {
        "CDLL": _class("CDLL"),
        "PyDLL": _class("PyDLL"),
        "cdll": Thing("cdll", "", {"LoadLibrary": _loader("cdll.LoadLibrary")}),
        "pydll": Thing("cdll", "", {"LoadLibrary": _loader("pydll.LoadLibrary")}),
        "RTLD_GLOBAL": RTLD_GLOBAL,
        "RTLD_LOCAL": 0,
        "DEFAULT_MODE": 0,
        "pythonapi": UNKNOWN,
    },
    "ctypes.util": {"find_library": Native("find_library", find_library)},
}

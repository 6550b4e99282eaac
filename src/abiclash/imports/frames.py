"""sys._getframe and what inspect makes of frames: functions that ask who calls them, to find files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.values import UNKNOWN, Class, Deferred, Frame, Function, Module, Native, Thing, Value

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


def _frame(frame: Frame | None) -> Value:
    if frame is None:
        return UNKNOWN  # importlib's, or the interpreter's own
    back = frame.caller
    return Thing(
        "frame",
        frame.path,
        {
            "f_globals": frame.module.vars,
            "f_locals": frame.vars,
            "f_code": Thing("code", "", {"co_filename": frame.path}),
            "f_back": Deferred(lambda: _frame(back)),
        },
    )


def _getframe(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """sys._getframe(depth)."""
    depth = machine.force(args[0]) if args else 0
    place: Frame | None = frame
    for _ in range(depth if isinstance(depth, int) else 0):
        place = place.caller if place is not None else None
    return _frame(place) if isinstance(depth, int) else UNKNOWN


def _file_of(machine: Machine, args: Args, _kwargs: Kwargs, _call: Frame) -> Value:
    """inspect.getfile(frame, module, class or function)."""
    value = machine.force(args[0]) if args else UNKNOWN
    if isinstance(value, Thing) and value.kind == "frame":
        return value.text
    module = value.module if isinstance(value, Class | Function) else value
    return (module.vars.get("__file__") or UNKNOWN) if isinstance(module, Module) else UNKNOWN


GETFRAME = Native("_getframe", _getframe)
NATIVES: dict[str, dict[str, Value]] = {
    "inspect": {
        "currentframe": Native("currentframe", lambda m, _a, _k, frame: _getframe(m, [], {}, frame)),
        "getfile": Native("getfile", _file_of),
        "getsourcefile": Native("getsourcefile", _file_of),
    },
}

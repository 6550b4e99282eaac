"""Python's built-in functions, as far as they steer what an import loads."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from abiclash.imports import importing, iteration
from abiclash.imports.paths import path_text
from abiclash.imports.values import (
    MISSING,
    UNKNOWN,
    Bound,
    Class,
    Frame,
    Function,
    Instance,
    Module,
    Native,
    Super,
    Thing,
    Value,
    Wrapped,
    constant,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from abiclash.imports.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


def _import(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    name = machine.force(args[0]) if args else kwargs.get("name")
    if not isinstance(name, str):
        return UNKNOWN
    level = kwargs.get("level", args[4] if len(args) > 4 else 0)
    names = machine.force(kwargs.get("fromlist", args[3] if len(args) > 3 else ()))
    absolute = machine.absolute(level if isinstance(level, int) else 0, name, frame)
    module = machine.load_module(absolute, frame)
    if not names:
        return machine.load_module(absolute.partition(".")[0], frame)
    for wanted in machine.iterate(names) or []:
        if isinstance(wanted, str):
            machine.from_module(module, absolute, wanted, frame)
    return module


def _getattr(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) < 2:
        return UNKNOWN
    base, name = machine.force(args[0]), machine.force(args[1])
    if not isinstance(name, str):
        return UNKNOWN
    if len(args) > 2 and isinstance(base, Module) and machine.lacks(base, name):
        return args[2]
    return machine.attribute(base, name, frame)


def _setattr(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    base = machine.force(args[0]) if args else UNKNOWN
    if len(args) == 3 and isinstance(name := machine.force(args[1]), str):
        machine.set_attribute(base, name, args[2])
    elif isinstance(base, Module):
        base.open = True
    return None


def _hasattr(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) != 2:
        return UNKNOWN
    base, name = machine.force(args[0]), machine.force(args[1])
    if not isinstance(name, str):
        return UNKNOWN
    if isinstance(base, Module):
        value = machine.module_attribute(base, name)
        if value is not MISSING and value is not UNKNOWN:
            return True
        real: Mapping[str, object] | None = {"sys": vars(sys), "os": vars(os)}.get(base.name)
        if real is not None:
            return name in real  # Linux's own, of the Python that runs abiclash: the names differ little by version
        if machine.lacks(base, name):
            return False
        return True if name in base.vars else UNKNOWN
    if isinstance(base, Instance | Class):
        value = machine.attribute(base, name, frame)
        return UNKNOWN if value is UNKNOWN else True
    if isinstance(base, str | int | dict | list | tuple):
        return hasattr(base, name)
    return UNKNOWN


def _globals(_machine: Machine, _args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    return frame.module.vars


def _locals(_machine: Machine, _args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    return frame.vars


def _vars(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    base = machine.force(args[0]) if args else None
    if base is None:
        return frame.vars
    return base.vars if isinstance(base, Module | Instance | Class) else UNKNOWN


def _super(_machine: Machine, _args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    place: Frame | None = frame
    while place is not None and (place.function is None or place.function.cls is None):
        place = place.outer
    if place is None or place.function is None or place.function.cls is None:
        return UNKNOWN
    names = place.function.source.function(place.function.index)[0][0]
    instance = place.vars.get(names[0], UNKNOWN) if names else UNKNOWN
    return Super(place.function.cls, instance)


def _plain(call: Callable[..., Value]) -> Native:
    """Wrap a harmless builtin that needs known plain arguments."""

    def run(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
        known = [machine.force(arg) for arg in args]
        if kwargs or any(
            not isinstance(arg, str | int | float | tuple | list | dict | set | frozenset) for arg in known
        ):
            return UNKNOWN
        if any(arg is UNKNOWN for values in known if isinstance(values, tuple | list) for arg in values):
            return UNKNOWN
        try:
            return call(*known)
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN

    return Native(getattr(call, "__name__", "builtin"), run)


def _str(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else ""
    text = path_text(value)
    return text if text is not None else str(value) if isinstance(value, int) else UNKNOWN


def _bool(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    truth = machine.truth(args[0]) if args else False
    return UNKNOWN if truth is None else truth


def _isinstance(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    if len(args) != 2:
        return UNKNOWN
    value = machine.force(args[0])
    kinds = args[1] if isinstance(args[1], tuple) else (args[1],)
    names = [kind.name if isinstance(kind, Native) else None for kind in kinds]
    if isinstance(value, str | int | tuple | list | dict | set) and None not in names:
        return type(value).__name__ in names
    return UNKNOWN


def _type(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) == 3:
        bases, table = machine.force(args[1]), machine.force(args[2])
        if isinstance(bases, tuple) and isinstance(table, dict) and isinstance(args[0], str):
            return Class(args[0], list(bases), table, frame.module)
    value = machine.force(args[0]) if args else UNKNOWN
    return value.cls if isinstance(value, Instance) else UNKNOWN


def _callable(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else UNKNOWN
    return True if isinstance(value, Function | Class | Native | Bound) else UNKNOWN


def _wrapper(kind: str) -> Native:
    return Native(kind, lambda _m, args, _k, _f: Wrapped(kind, args[0]) if args else UNKNOWN)


def _open(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    text = path_text(machine.force(args[0])) if args else None
    return UNKNOWN if text is None else Thing("file", text, {"read": constant(Thing("text of", text))})


BUILTINS: dict[str, Value] = {
    "__import__": Native("__import__", _import),
    "getattr": Native("getattr", _getattr),
    "setattr": Native("setattr", _setattr),
    "hasattr": Native("hasattr", _hasattr),
    "globals": Native("globals", _globals),
    "locals": Native("locals", _locals),
    "vars": Native("vars", _vars),
    "super": Native("super", _super),
    "len": _plain(len),
    "int": _plain(int),
    "min": _plain(min),
    "max": _plain(max),
    "abs": _plain(abs),
    "bool": Native("bool", _bool),
    "str": Native("str", _str),
    "range": Native("range", iteration.range_function),
    "tuple": Native("tuple", iteration.iterated(tuple).call),
    "list": Native("list", iteration.iterated(list).call),
    "set": Native("set", iteration.iterated(set).call),
    "frozenset": iteration.iterated(frozenset),
    "sorted": iteration.iterated(sorted),
    "reversed": iteration.iterated(lambda items: items[::-1]),
    "enumerate": iteration.iterated(lambda items: list(enumerate(items))),
    "dict": Native("dict", lambda m, a, k, _f: _dict(m, a, k)),
    "any": iteration.quantified(stop=True),
    "all": iteration.quantified(stop=False),
    "map": Native("map", iteration.map_function),
    "zip": Native("zip", iteration.zip_function),
    "filter": Native("filter", iteration.filter_function),
    "isinstance": Native("isinstance", _isinstance),
    "type": Native("type", _type),
    "callable": Native("callable", _callable),
    "staticmethod": _wrapper("staticmethod"),
    "classmethod": _wrapper("classmethod"),
    "property": _wrapper("property"),
    "open": Native("open", _open),
    "compile": Native("compile", lambda _m, args, _k, _f: args[0] if args else UNKNOWN),
    "exec": Native("exec", importing.execute_text),
    "__debug__": True,
}


def _dict(machine: Machine, args: Args, kwargs: Kwargs) -> Value:
    table: dict[Value, Value] = {}
    if args:
        base = machine.force(args[0])
        if isinstance(base, dict):
            table.update(base)
        else:
            pairs = machine.iterate(base)
            if pairs is None:
                return UNKNOWN
            for pair in pairs:
                if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str | int | tuple):
                    table[pair[0]] = pair[1]
    table.update(kwargs)
    return table

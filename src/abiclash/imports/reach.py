"""What a call can reach: most functions import and load nothing, and are not played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.attributes import Attributes
from abiclash.imports.statements import CALLS_PARAMETER
from abiclash.imports.values import (
    MISSING,
    Bound,
    Class,
    Deferred,
    Function,
    Instance,
    Module,
    Value,
    Wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

INERT = frozenset(
    (
        "abc", "ast", "collections", "collections.abc", "copyreg", "dataclasses", "enum", "functools", "inspect",
        "itertools", "keyword", "numbers", "operator", "re", "reprlib", "string", "textwrap", "tokenize", "traceback",
        "types", "typing", "warnings", "weakref",
    )
)  # fmt: skip
"""Modules of the standard library whose functions load nothing: they are not played."""


class Reach(Attributes):
    """Tells which calls matter."""

    def __init__(self) -> None:
        super().__init__()
        self._reaches: dict[tuple[int, int], bool] = {}

    def reaches(self, function: Function, args: Iterable[Value] = ()) -> bool:
        """Tell whether a call may import or load something, from the names that the function and its callees use."""
        if args and function.source.function(function.index)[3] & CALLS_PARAMETER:
            for arg in args:
                known = arg.function if isinstance(arg, Bound) else arg
                if isinstance(known, Function) and known is not function and self.reaches(known):
                    return True
        if function.module.name in INERT:
            return False
        key = (id(function.source), function.index)
        known_answer = self._reaches.get(key)
        if known_answer is not None:
            return known_answer
        _, chains, sink = function.source.function(function.index)[:3]
        if sink:
            self._reaches[key] = True
            return True
        self._reaches[key] = False
        answer = any(self._chain_reaches(function, chain) for chain in chains)
        if answer or function.module.done:
            self._reaches[key] = answer
        else:
            del self._reaches[key]
        return answer

    def _chain_reaches(self, function: Function, chain: str) -> bool:
        names = chain.split(".")
        parameters = function.source.function(function.index)[0][0]
        if names[0] == "?" and function.cls is not None:
            value: Value = Class("", function.cls.bases, {}, function.module)
        elif function.cls is not None and parameters and names[0] == parameters[0]:
            value = function.cls
        else:
            value = self._closure(function, names[0])
        for name in names[1:]:
            value = self.force(value)
            if isinstance(value, Module):
                base = value
                value = self.module_attribute(base, name)
                if value is MISSING:
                    return base.cls is not None or "__getattr__" in base.vars
            elif isinstance(value, Class):
                value = self.lookup(value, name)
            elif isinstance(value, Instance):
                getter = self.lookup(value.cls, "__getattr__")
                if name not in value.vars and isinstance(getter, Function) and self.reaches(getter):
                    return True
                value = value.vars.get(name, self.lookup(value.cls, name))
            else:
                return False
        return self._value_reaches(value)

    def _value_reaches(self, value: Value) -> bool:
        if isinstance(value, Deferred) and value.work is not None:
            return False
        value = self.force(value)
        if isinstance(value, Bound | Wrapped):
            value = value.function
        if isinstance(value, Instance):
            value = self.lookup(value.cls, "__call__")
        elif isinstance(value, Class):
            value = self.lookup(value, "__init__")
        return isinstance(value, Function) and self.reaches(value)

    def _closure(self, function: Function, name: str) -> Value:
        frame = function.outer
        while frame is not None:
            if name in frame.vars:
                return frame.vars[name]
            frame = frame.outer
        return function.module.vars.get(name, MISSING)

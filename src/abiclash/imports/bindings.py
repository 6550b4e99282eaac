"""Statements that bind names: assignments, definitions of functions and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.calls import Calls
from abiclash.imports.values import (
    MISSING,
    UNKNOWN,
    Class,
    Deferred,
    Frame,
    Function,
    Instance,
    Module,
    Thing,
    Value,
)

if TYPE_CHECKING:
    from abiclash.imports.expressions import Form


class Bindings(Calls):
    """Statements that bind names."""

    def assign(self, target: Form, value: Value, frame: Frame) -> None:
        if isinstance(target, str):
            table = frame.module.vars if target in frame.globals else frame.vars
            table[target] = value
        elif target is None:
            return
        elif target[0] == "t":
            self._unpack(target[1], value, frame)
        elif target[0] == "*":
            self.assign(target[1], UNKNOWN, frame)
        elif target[0] == ".":
            self.set_attribute(self.known(target[1], frame), target[2], value)
        elif target[0] == "s":
            self.set_item(self.known(target[1], frame), self.known(target[2], frame), value)

    def set_attribute(self, base: Value, name: str, value: Value) -> None:
        """Bind base.name."""
        if isinstance(base, Module) and name == "__class__":
            known = self.force(value)
            base.cls = known if isinstance(known, Class) else None
        elif isinstance(base, Module | Instance | Class):
            base.vars[name] = value

    def set_item(self, base: Value, index: Value, value: Value) -> None:
        """Bind base[index]."""
        if isinstance(base, dict):
            if index is UNKNOWN or isinstance(index, str | int | float | tuple):
                base[index] = value
        elif isinstance(base, list):
            if isinstance(index, int) and -len(base) <= index < len(base):
                base[index] = value
        elif isinstance(base, Thing):
            self.set_special(base, index, value)

    def set_special(self, base: Thing, index: Value, value: Value) -> None:
        """Bind an item of sys.modules."""
        raise NotImplementedError

    def _unpack(self, targets: list[Form], value: Value, frame: Frame) -> None:
        items = self.iterate(value)
        starred = any(isinstance(target, list) and target[0] == "*" for target in targets)
        if items is None or starred or len(items) != len(targets):
            items = [UNKNOWN] * len(targets)
        for target, item in zip(targets, items, strict=True):
            self.assign(target, item, frame)

    def do_assign(self, form: list[Form], frame: Frame) -> None:
        value = self.eval(form[3], frame)
        for target in form[2]:
            self.assign(target, value, frame)

    def do_augment(self, form: list[Form], frame: Frame) -> None:
        _, _, target, sign, left_form, right_form = form
        left, right = self.known(left_form, frame), self.known(right_form, frame)
        if sign == "+" and isinstance(left, list) and isinstance(right, list | tuple):
            left.extend(right)
            return
        self.assign(target, self.binary(sign, left, right) if sign else UNKNOWN, frame)

    def do_delete(self, form: list[Form], frame: Frame) -> None:
        for target in form[2]:
            if isinstance(target, str):
                frame.vars.pop(target, None)
            elif target is not None and target[0] == "s":
                base, index = self.known(target[1], frame), self.known(target[2], frame)
                if isinstance(base, Thing):
                    self.set_special(base, index, MISSING)
                elif isinstance(base, dict) and isinstance(index, str | int):
                    base.pop(index, None)

    def do_global(self, form: list[Form], frame: Frame) -> None:
        frame.globals |= frozenset(form[2])

    def do_def(self, form: list[Form], frame: Frame) -> None:
        _, _, name, index, decorators, defaults, keyword, annotations = form
        for annotation in annotations:
            self.eval(annotation, frame)
        source = frame.module.source if frame.function is None else frame.function.source
        if source is None:
            return
        made = [self.eval(default, frame) for default in defaults]
        made_keyword = [UNKNOWN if default == 0 else self.eval(default, frame) for default in keyword]
        outer = None if frame.vars is frame.module.vars else frame
        function: Value = Function(frame.module, source, index, name, made, made_keyword, outer)
        self.assign(name, self._decorate(decorators, function, frame), frame)

    def _decorate(self, decorators: list[Form], value: Value, frame: Frame) -> Value:
        """Return a decorated function or class: itself where the decorator's result is not known."""
        called = [self.eval(decorator, frame) for decorator in decorators]
        for decorator in reversed(called):
            result = self.call(decorator, [value], {}, frame)
            if result is not UNKNOWN and result is not None and not isinstance(result, Deferred):
                value = result
            elif isinstance(value, Function):
                value.guessed = True
        return value

    def do_class(self, form: list[Form], frame: Frame) -> None:
        _, _, name, bases, keywords, decorators, body = form
        parents = [self.eval(base, frame) for base in bases]
        for _keyword, value in keywords:
            self.eval(value, frame)
        cls = Class(name, parents, {}, frame.module)
        outer = None if frame.vars is frame.module.vars else frame
        self.block(body, Frame(frame.module, cls.vars, frame.path, outer, frame.function, frame.line))
        for value in cls.vars.values():
            _adopt(value, cls)
        self.assign(name, self._decorate(decorators, cls, frame), frame)


def _adopt(value: Value, cls: Class) -> None:
    """Tell a method which class it belongs to, for super() and for self."""
    function = getattr(value, "function", value)
    if isinstance(function, Function) and function.cls is None:
        function.cls = cls

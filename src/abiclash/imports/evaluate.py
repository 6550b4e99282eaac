"""Expressions in reduced form -> values, as far as they can be known without executing foreign code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.compare import MAX_LENGTH, PLAIN, as_set, compare, compute, hashable, rank, vague
from abiclash.imports.methods import method_of
from abiclash.imports.paths import join_path
from abiclash.imports.raising import catches
from abiclash.imports.values import UNKNOWN, Deferred, Frame, Function, Instance, Module, Raised, Thing, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.imports.expressions import Form

MAX_CHAIN = 50


class Evaluator:
    """Evaluates expressions; attributes, calls and names of modules come from the classes built on it."""

    def __init__(self) -> None:
        self.unknown_calls = 0  # of C code, as a rule, which may raise
        self.catching: list[list[str] | None] = []  # what the `try` statements around the running one catch
        self._forms: dict[str, Callable[[list[Form], Frame], Value]] = {
            "k": lambda form, _frame: form[1],
            ".": lambda form, frame: self.attribute(self.eval(form[1], frame), form[2], frame),
            "(": self._call,
            "+": lambda form, frame: self.binary(form[1], self.eval(form[2], frame), self.eval(form[3], frame)),
            "<": self._compare,
            "&": self._and,
            "or": self._or,
            "!": self._not,
            "-": self._negative,
            "t": lambda form, frame: tuple(self._items(form[1], frame)),
            "l": lambda form, frame: self._items(form[1], frame),
            "{": lambda form, frame: as_set(self._items(form[1], frame)),
            "d": self._dict,
            "s": lambda form, frame: self.subscript(self.eval(form[1], frame), self.eval(form[2], frame)),
            "sl": self._slice,
            "f": self._joined,
            "?": self._conditional,
            "fn": self._lambda,
            "co": self._comprehension,
            ":=": self._walrus,
            "*": self._starred,
            "u": self._effects,
            "y": self._yield,
        }

    def name(self, name: str, frame: Frame) -> Value:
        """Return the value of a name."""
        raise NotImplementedError

    def attribute(self, base: Value, name: str, frame: Frame) -> Value:
        """Return an attribute of a value."""
        raise NotImplementedError

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        """Return what a call returns."""
        raise NotImplementedError

    def dlopen(self, args: list[Value], frame: Frame) -> Value:
        """Note a library that some object's `dlopen` method opens (cffi's FFI)."""
        raise NotImplementedError

    def handed_over(self, function: Form, value: Value, frame: Frame) -> None:
        """Note a library whose path is given to a function that is not known, or that hands it to C code to open."""
        raise NotImplementedError

    def called_from(self, module: Module) -> None:
        """Note that a function of an extension module is called."""
        raise NotImplementedError

    def contains(self, table: Value, item: Value) -> bool | None:
        """Tell whether `item in table` for values that are not Python's own; None where it is not known."""
        raise NotImplementedError

    def special_subscript(self, base: Value, index: Value) -> Value:
        """Return base[index] for values that are not Python's own."""
        raise NotImplementedError

    def assign(self, target: Form, value: Value, frame: Frame) -> None:
        """Bind a target."""
        raise NotImplementedError

    def force(self, value: Value) -> Value:
        """Work out a deferred value. One that depends on itself is unknown."""
        for _ in range(MAX_CHAIN):
            if not isinstance(value, Deferred):
                return value
            if value.work is not None:
                work, value.work = value.work, None
                try:
                    value.value = work()
                except Raised:
                    value.value = UNKNOWN
            value = value.value
        return UNKNOWN

    def eval(self, form: Form, frame: Frame) -> Value:
        """Return the value of an expression."""
        if form is None:
            return UNKNOWN
        if form.__class__ is str:
            return self.name(form, frame)
        return self._forms[form[0]](form, frame)

    def known(self, form: Form, frame: Frame) -> Value:
        """Return the value of an expression, worked out."""
        value = self.eval(form, frame)
        return self.force(value) if value.__class__ is Deferred else value

    def truth(self, value: Value) -> bool | None:
        """Return a value's truth, None where it is not known."""
        value = self.force(value)
        if isinstance(value, PLAIN):
            return bool(value)
        if value is UNKNOWN or isinstance(value, Instance):
            return None
        return True

    def _call(self, form: list[Form], frame: Frame) -> Value:
        _, function, arguments, names, values = form
        base: Value = None
        if isinstance(function, list) and function[0] == ".":
            base = self.eval(function[1], frame)
            called = self.attribute(base, function[2], frame)
        else:
            called = self.eval(function, frame)
        args = self._items(arguments, frame)
        if base is not None and function[2] == "dlopen":
            return self.dlopen(args, frame)
        if called is UNKNOWN:
            self.unknown_calls += 1
            if isinstance(base, Module) and base.found.kind == "extension":
                self.called_from(base)
            if args:
                self.handed_over(function, args[0], frame)
        if not names:
            return self.call(called, args, {}, frame)
        kwargs: dict[str, Value] = {}
        for name, value in zip(names, values, strict=True):
            if name is not None:
                kwargs[name] = self.eval(value, frame)
            elif isinstance(more := self.known(value, frame), dict):
                kwargs.update((key, item) for key, item in more.items() if isinstance(key, str))
        return self.call(called, args, kwargs, frame)

    def _items(self, forms: list[Form], frame: Frame) -> list[Value]:
        items: list[Value] = []
        for form in forms:
            if form.__class__ is list and form[0] == "*":
                more = self.iterate(self.known(form[1], frame))
                items.extend(more if more is not None else [UNKNOWN])
            else:
                items.append(self.eval(form, frame))
        return items

    def iterate(self, value: Value) -> list[Value] | None:
        """Return the items of a value that a loop goes over, None where they are not known."""
        value = self.force(value)
        if isinstance(value, dict | list | tuple | set | frozenset | str | range) and len(value) <= MAX_LENGTH:
            # A set of strings has no order of its own in CPython; sorted keeps plans the same.
            return sorted(value, key=rank) if isinstance(value, set | frozenset) else list(value)
        return None

    def binary(self, sign: str, left: Value, right: Value) -> Value:
        """Return `left sign right`."""
        left, right = self.force(left), self.force(right)
        if isinstance(left, Thing) and left.kind == "path" and sign == "/":
            return join_path(left, [right])
        return compute(sign, left, right)

    def _compare(self, form: list[Form], frame: Frame) -> Value:
        left = self.known(form[1], frame)
        for sign, right_form in zip(form[2], form[3], strict=True):
            right = self.known(right_form, frame)
            if sign in ("in", "not in"):
                found = self._contains(right, left)
                verdict = None if found is None else found is (sign == "in")
            else:
                verdict = compare(sign, left, right)
            if verdict is None:
                return UNKNOWN
            if not verdict:
                return False
            left = right
        return True

    def _contains(self, table: Value, item: Value) -> bool | None:
        if isinstance(table, Thing | Module):
            return self.contains(table, item)
        if not isinstance(table, str | tuple | list | dict | set | frozenset) or not isinstance(item, PLAIN):
            return None
        try:
            found = item in table
        except TypeError:
            return None
        return found or (None if vague(table) else False)

    def _and(self, form: list[Form], frame: Frame) -> Value:
        return self._short_circuit(form[1], frame, stop=False)

    def _or(self, form: list[Form], frame: Frame) -> Value:
        return self._short_circuit(form[1], frame, stop=True)

    def _short_circuit(self, forms: list[Form], frame: Frame, *, stop: bool) -> Value:
        unknown = False
        value: Value = UNKNOWN
        for form in forms:
            # After an unknown operand the rest may or may not run.
            value = self.doubtful(form, frame) if unknown else self.known(form, frame)
            truth = self.truth(value)
            if truth is stop:
                return value if not unknown or isinstance(value, bool) else UNKNOWN
            unknown = unknown or truth is None
        return UNKNOWN if unknown else value

    def doubtful(self, form: Form, frame: Frame) -> Value:
        """Evaluate what may or may not be evaluated."""
        return self.known(form, frame)

    def _not(self, form: list[Form], frame: Frame) -> Value:
        truth = self.truth(self.eval(form[1], frame))
        return UNKNOWN if truth is None else not truth

    def _negative(self, form: list[Form], frame: Frame) -> Value:
        value = self.known(form[1], frame)
        return -value if isinstance(value, int | float) else UNKNOWN

    def _dict(self, form: list[Form], frame: Frame) -> Value:
        table: dict[Value, Value] = {}
        for key_form, value_form in zip(form[1], form[2], strict=True):
            if key_form == 0:
                more = self.known(value_form, frame)
                if isinstance(more, dict):
                    table.update(more)
                continue
            key = self.known(key_form, frame)
            table[hashable(key)] = self.eval(value_form, frame)
        return table

    def subscript(self, base: Value, index: Value) -> Value:
        """Return base[index]."""
        base, index = self.force(base), self.force(index)
        if isinstance(base, Thing | Instance | Module):
            return self.special_subscript(base, index)
        if not isinstance(base, str | tuple | list | dict):
            return UNKNOWN
        try:
            return base[index]
        except KeyError:
            if not vague(base) and isinstance(index, PLAIN) and any(catches(n, "KeyError") for n in self.catching):
                raise Raised("KeyError", f"no key {index!r}") from None
            return UNKNOWN
        except (IndexError, TypeError):
            return UNKNOWN

    def _slice(self, form: list[Form], frame: Frame) -> Value:
        base = self.known(form[1], frame)
        parts = [None if part is None else self.known(part, frame) for part in form[2:]]
        if isinstance(base, str | tuple | list) and all(part is None or isinstance(part, int) for part in parts):
            try:
                return base[slice(*parts)]
            except ValueError:
                return UNKNOWN
        return UNKNOWN

    def _joined(self, form: list[Form], frame: Frame) -> Value:
        parts = [self.known(part, frame) for part in form[1]]
        texts = [part.text if isinstance(part, Thing) and part.kind == "path" else part for part in parts]
        if all(isinstance(text, str | int) for text in texts):
            return "".join(str(text) for text in texts)[:MAX_LENGTH]
        return UNKNOWN

    def _conditional(self, form: list[Form], frame: Frame) -> Value:
        truth = self.truth(self.eval(form[1], frame))
        if truth is not None:
            return self.eval(form[2] if truth else form[3], frame)
        self.doubtful(form[2], frame)
        self.doubtful(form[3], frame)
        return UNKNOWN

    def _lambda(self, form: list[Form], frame: Frame) -> Value:
        source = frame.module.source if frame.function is None else frame.function.source
        if source is None:
            return UNKNOWN
        defaults = [self.eval(default, frame) for default in form[2]]
        outer = frame if frame.vars is not frame.module.vars else None
        return Function(frame.module, source, form[1], "<lambda>", defaults, [], outer)

    def _comprehension(self, form: list[Form], frame: Frame) -> Value:
        _, kind, element, value, generators = form
        inner = Frame(frame.module, {}, frame.path, frame, frame.function, frame.line)
        items: list[Value] = []
        complete = self._generate(generators, inner, lambda: items.append(self._element(element, value, kind, inner)))
        if not complete:
            return UNKNOWN
        if kind == "d":
            return {hashable(key): item for key, item in items}
        return as_set(items) if kind == "{" else items

    def _element(self, element: Form, value: Form, kind: str, frame: Frame) -> Value:
        if kind == "d":
            return self.known(element, frame), self.eval(value, frame)
        return self.eval(element, frame)

    def _generate(self, generators: list[Form], frame: Frame, emit: Callable[[], None]) -> bool:
        """Play the loops of a comprehension; False where an iterable or a condition is not known."""
        target, iterable, tests = generators[0]
        items = self.iterate(self.known(iterable, frame))
        complete = items is not None
        for item in [UNKNOWN] if items is None else items:
            self.assign(target, item, frame)
            truths = [self.truth(self.eval(test, frame)) for test in tests]
            if False in truths:
                continue
            complete = complete and None not in truths
            if len(generators) > 1:
                complete = self._generate(generators[1:], frame, emit) and complete
            else:
                emit()
        return complete

    def _walrus(self, form: list[Form], frame: Frame) -> Value:
        value = self.eval(form[2], frame)
        self.assign(form[1], value, frame)
        return value

    def _starred(self, form: list[Form], frame: Frame) -> Value:
        return self.eval(form[1], frame)

    def _effects(self, form: list[Form], frame: Frame) -> Value:
        for child in form[1]:
            self.eval(child, frame)
        return UNKNOWN

    def _yield(self, form: list[Form], frame: Frame) -> Value:
        value = self.eval(form[2], frame)
        items = self.iterate(value) if form[1] else [value]
        frame.yielded.extend([UNKNOWN] if items is None else items)
        return UNKNOWN

    def plain_method(self, base: Value, name: str) -> Value:
        """Return a method of a str, list, dict ... that may be called on known values."""
        return method_of(self, base, name)

"""Statements in reduced form, executed in order on what is known of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.bindings import Bindings
from abiclash.imports.raising import catches
from abiclash.imports.values import (
    LIKELY,
    MISSING,
    POSSIBLE,
    UNKNOWN,
    Frame,
    Instance,
    Module,
    Raised,
    Signal,
    Thing,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.imports.expressions import Form

MAX_ROUNDS = 2_000
MAX_STEPS = 3_000_000


class Executor(Bindings):
    """Statements."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.handling: list[Raised] = []
        self._statements: dict[str, Callable[[list[Form], Frame], Signal | None]] = {
            "i": self._import,
            "f": self._import_from,
            "=": self.do_assign,
            "+=": self.do_augment,
            "x": self._expression,
            "?": self._if,
            "try": self._try,
            "def": self.do_def,
            "class": self.do_class,
            "for": self._for,
            "wh": self._while,
            "with": self._with,
            "ret": lambda form, frame: Signal("return", self.eval(form[2], frame)),
            "!": self._raise,
            "del": self.do_delete,
            "g": self.do_global,
            "nl": lambda _form, _frame: None,
            "br": lambda _form, _frame: Signal("break"),
            "cn": lambda _form, _frame: Signal("continue"),
        }

    def load_module(self, name: str, frame: Frame | None) -> Value:
        """Import a module by its absolute name."""
        raise NotImplementedError

    def has_name(self, name: str, frame: Frame) -> bool:
        """Tell whether a name is bound."""
        raise NotImplementedError

    def block(self, forms: list[Form], frame: Frame) -> Signal | None:
        statements = self._statements
        self.steps += len(forms)
        if self.steps > MAX_STEPS:
            return None
        for form in forms:
            frame.line = form[1]
            signal = statements[form[0]](form, frame)
            if signal is not None:
                return signal
        return None

    # Imports

    def _import(self, form: list[Form], frame: Frame) -> None:
        name, alias = form[2], form[3]
        module = self.load_module(name, frame)
        if alias is None:
            top = name.partition(".")[0]
            self.assign(top, module if top == name else self.load_module(top, frame), frame)
            return
        self.assign(alias, module, frame)

    def _import_from(self, form: list[Form], frame: Frame) -> None:
        _, _, level, name, names = form
        absolute = self.absolute(level, name, frame)
        module = self.load_module(absolute, frame)
        for wanted, alias in names:
            if wanted == "*":
                self._import_star(module, frame)
            else:
                self.assign(alias, self.from_module(module, absolute, wanted, frame), frame)

    def absolute(self, level: int, name: str, frame: Frame) -> str:
        """Return the absolute name of what a (relative) import names; importlib's _resolve_name."""
        if level == 0:
            return name
        package = frame.module.vars.get("__package__")
        if not isinstance(package, str):
            package = frame.module.name
        parts = package.split(".")
        if level > len(parts):
            raise Raised("ImportError", "attempted relative import beyond top-level package")
        base = ".".join(parts[: len(parts) - level + 1])
        return f"{base}.{name}" if name else base

    def from_module(self, module: Value, absolute: str, name: str, frame: Frame) -> Value:
        """Return what `from module import name` binds; a submodule is imported where there is no such attribute."""
        if isinstance(module, Module):
            value = self.module_attribute(module, name)
            if isinstance(value, Module) and value.name == f"{absolute}.{name}":
                self.reached(value)  # it may have been imported with more doubt so far
            if value is not MISSING and not (value is UNKNOWN and module.found.kind == "extension" and module.search):
                return value
            if module.search is not None and (submodule := self._submodule(absolute, name, frame)) is not MISSING:
                return submodule
            if "__getattr__" in module.vars or module.cls is not None:
                return self.of_module(module, name, frame)
            if frame.guards and module.done and not module.open and module.found.kind in ("package", "module"):
                raise Raised("ImportError", f"cannot import name '{name}' from '{absolute}'")
            return UNKNOWN
        if isinstance(module, Instance):
            value = self.of_instance(module, name, frame)
            if value is UNKNOWN and (submodule := self._submodule(absolute, name, frame)) is not MISSING:
                return submodule
            return value
        return UNKNOWN

    def _submodule(self, absolute: str, name: str, frame: Frame) -> Value:
        full = f"{absolute}.{name}"
        try:
            return self.load_module(full, frame)
        except Raised as error:
            if error.reason.startswith(f"No module named '{full}'"):
                return MISSING
            raise

    def _import_star(self, module: Value, frame: Frame) -> None:
        frame.module.open = frame.module.open or not isinstance(module, Module)
        if not isinstance(module, Module):
            return
        if module.open or module.found.kind not in ("package", "module"):
            frame.module.open = True
        exported = self.iterate(module.vars["__all__"]) if "__all__" in module.vars else None
        if exported is not None:
            for name in exported:
                if isinstance(name, str):
                    self.assign(name, self.from_module(module, module.name, name, frame), frame)
            return
        for name, value in list(module.vars.items()):
            if isinstance(name, str) and not name.startswith("_"):
                self.assign(name, value, frame)

    # Control flow

    def _expression(self, form: list[Form], frame: Frame) -> None:
        wanted = form[2]
        if isinstance(wanted, str) and not frame.module.open and not self.has_name(wanted, frame):
            raise Raised("NameError", f"name '{wanted}' is not defined")
        self.eval(wanted, frame)

    def _if(self, form: list[Form], frame: Frame) -> Signal | None:
        truth = self.truth(self.eval(form[2], frame))
        if truth is not None:
            return self.block(form[3] if truth else form[4], frame)
        # An attribute that is asked for and not known to be absent is probably there.
        asked = isinstance(form[2], list) and form[2][0] == "(" and form[2][1] == "hasattr"
        # Imports succeed as a rule: what raises instead of the other branch is not taken.
        first = self.maybe(form[3], frame, LIKELY if asked or _raises(form[4]) else POSSIBLE)
        failed = first is not None and first.kind == "raise"
        second = self.maybe(form[4], frame, LIKELY if failed else POSSIBLE)
        if first is not None and second is not None:
            return first if first.kind != "raise" else second
        if first is not None or second is not None:
            self.local = max(self.local, LIKELY)  # the rest runs unless that branch left
        return None

    def maybe(self, forms: list[Form], frame: Frame, doubt: int = POSSIBLE) -> Signal | None:
        """Execute a branch that may or may not be taken; return how it would have left."""
        if not forms:
            return None
        saved = self.local
        self.local = max(saved, doubt)
        try:
            signal = self.block(forms, frame)
        except Raised:
            signal = Signal("raise")
        finally:
            self.local = saved
        if signal is not None and signal.kind == "return":
            frame.returned.append(signal.value)
        return signal

    def _try(self, form: list[Form], frame: Frame) -> Signal | None:
        _, _, body, handlers, orelse, final = form
        guards, local, caught = (frame.guards, frame.expected), self.local, len(self.catching)
        try:
            frame.guards += any(catches(names, "ImportError") for names, _, _ in handlers)
            frame.expected += any(catches(names, "NameError") for names, _, _ in handlers)
            self.catching += [names for names, _, _ in handlers]
            signal = self.block(body, frame)
            frame.guards, frame.expected = guards
            del self.catching[caught:]
            if signal is None and orelse:
                signal = self.block(orelse, frame)
        except Raised as error:
            frame.guards, frame.expected = guards
            del self.catching[caught:]
            self.local = local
            handler = next((entry for entry in handlers if catches(entry[0], error.kind)), None)
            if handler is None:
                self.block(final, frame)
                raise
            if handler[1]:
                frame.vars[handler[1]] = UNKNOWN
            self.handling.append(error)
            try:
                signal = self.block(handler[2], frame)
            finally:
                self.handling.pop()
        return self.block(final, frame) or signal

    def _for(self, form: list[Form], frame: Frame) -> Signal | None:
        _, _, target, iterable, body, orelse = form
        items = self.iterate(self.known(iterable, frame))
        if items is None:
            self.assign(target, UNKNOWN, frame)
            signal = self.maybe(body, frame, LIKELY)
            return signal if signal is not None and signal.kind == "return" and signal.value is None else None
        for item in items[:MAX_ROUNDS]:
            self.assign(target, item, frame)
            before = self.unknown_calls
            signal = self.block(body, frame)
            if signal is not None and signal.kind == "break":
                return None
            if signal is not None and signal.kind == "return" and self.unknown_calls > before and _goes_on(body):
                frame.returned.append(signal.value)
                self.local = max(self.local, LIKELY)  # what was called may as well have raised
                continue
            if signal is not None and signal.kind != "continue":
                return signal
        return self.block(orelse, frame)

    def _while(self, form: list[Form], frame: Frame) -> Signal | None:
        if self.truth(self.eval(form[2], frame)) is not False:
            self.maybe(form[3], frame, LIKELY)
        return None

    def _with(self, form: list[Form], frame: Frame) -> Signal | None:
        _, _, items, body = form
        caught: list[str] = []
        for context, target in items:
            value = self.known(context, frame)
            if isinstance(value, Thing) and value.kind == "suppress":
                caught += value.vars["names"]
            if target is not None or isinstance(value, Instance):
                self.assign(target, self._entered(value, frame), frame)
        guards = frame.guards
        frame.guards += bool(caught)
        try:
            return self.block(body, frame)
        except Raised as error:
            if caught and catches(caught, error.kind):
                return None
            raise
        finally:
            frame.guards = guards

    def _entered(self, value: Value, frame: Frame) -> Value:
        """Return what `with value as ...` binds."""
        if isinstance(value, Thing) and value.kind == "context":
            items = self.iterate(value.vars["yields"])
            return self.force(items[0]) if items else UNKNOWN
        if isinstance(value, Instance) and (method := self.lookup(value.cls, "__enter__")) is not MISSING:
            return self.force(self.call(method, [value], {}, frame))
        return value if isinstance(value, Thing) else UNKNOWN

    def _raise(self, form: list[Form], frame: Frame) -> Signal | None:
        self.eval(form[3], frame)
        if form[2] is None and self.handling:
            raise self.handling[-1]
        kind = form[2] or "Exception"
        believed = frame.function is None or kind in ("ImportError", "ModuleNotFoundError")
        if not believed and not any(catches(names, kind) for names in self.catching):
            # Nothing would stop it, and imports succeed as a rule: the reader took a branch that is not taken.
            return Signal("raise", UNKNOWN)
        raise Raised(kind, f"{frame.path}:{frame.line} raises {kind}")


def _raises(forms: list[Form]) -> bool:
    """Tell whether a branch does nothing but raise."""
    return len(forms) == 1 and forms[0][0] == "!"


def _goes_on(forms: list[Form]) -> bool:
    """Tell whether a loop's body goes on with the next item where a `try` in it fails."""
    handlers = [handler for form in forms if form[0] == "try" for handler in form[3]]
    return any(body and body[-1][0] == "cn" for _, _, body in handlers)

"""Attributes and calls of the values in a module: classes, instances, functions, modules' lazy attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.evaluate import Evaluator
from abiclash.imports.flags import RTLD
from abiclash.imports.paths import path_attribute
from abiclash.imports.statements import CALLS_PARAMETER, COROUTINE, GENERATOR
from abiclash.imports.versions import make_version, version_attribute
from abiclash.imports.values import (
    LIKELY,
    MISSING,
    UNKNOWN,
    Bound,
    Class,
    Deferred,
    Frame,
    Function,
    Instance,
    Module,
    Native,
    Raised,
    Signal,
    Super,
    Thing,
    Value,
    Wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.imports.expressions import Form

MAX_DEPTH = 60
MAX_LIBRARY_DEPTH = 3
MAX_LIBRARY_RUNS = 30
MAX_RUNS = 400
"""Executions of one function with different arguments in one plan."""

_VERSIONS = frozenset(("Version", "LooseVersion", "StrictVersion"))
"""Classes that compare version numbers, wherever they are vendored from."""
_INERT = frozenset(
    (
        "abc", "ast", "collections", "collections.abc", "copyreg", "dataclasses", "enum", "functools", "inspect",
        "itertools", "keyword", "numbers", "operator", "re", "reprlib", "string", "textwrap", "tokenize", "traceback",
        "types", "typing", "warnings", "weakref",
    )
)  # fmt: skip
"""Modules of the standard library whose functions load nothing: they are not played."""
_PLAIN = (str, dict, list, tuple, set, frozenset)


class Objects(Evaluator):
    """Attributes and calls."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.library_depth = 0
        self.local = 0  # doubt that the running statement adds to its module's
        self._reaches: dict[tuple[int, int], bool] = {}
        self._runs: dict[tuple[int, int], int] = {}
        self._results: dict[object, Value] = {}
        self._kept: list[Value] = []  # keeps what `_results` is keyed by alive, so that no id is used twice

    def block(self, forms: list[Form], frame: Frame) -> Signal | None:
        """Execute statements."""
        raise NotImplementedError

    def is_library(self, function: Function) -> bool:
        """Tell whether a function is the standard library's: played once, for its imports only."""
        raise NotImplementedError

    def module_attribute(self, module: Module, name: str) -> Value:
        """Return what a module itself has under a name: MISSING where it surely has not."""
        raise NotImplementedError

    # Attributes

    def attribute(self, base: Value, name: str, frame: Frame) -> Value:
        base = self.force(base)
        if name in RTLD and not isinstance(base, Module):
            return RTLD[name]
        if base is UNKNOWN:
            return UNKNOWN
        if isinstance(base, Module):
            return self.of_module(base, name, frame)
        if isinstance(base, Instance):
            return self.of_instance(base, name, frame)
        if isinstance(base, Class):
            return self.of_class(base, name)
        if isinstance(base, Thing):
            return self.of_thing(base, name, frame)
        if isinstance(base, Super):
            return self._of_super(base, name)
        if isinstance(base, _PLAIN):
            return self.plain_method(base, name)
        if isinstance(base, Function) and name in ("__name__", "__module__"):
            return base.name if name == "__name__" else base.module.name
        if isinstance(base, Bound) and name == "__name__":
            return self.attribute(base.function, name, frame)
        return UNKNOWN

    def of_thing(self, thing: Thing, name: str, frame: Frame) -> Value:
        """Return an attribute of a small object of the standard library."""
        if thing.kind == "path":
            return path_attribute(self, thing, name)  # type: ignore[arg-type]
        if thing.kind == "version":
            return version_attribute(thing, name)
        return thing.vars.get(name, UNKNOWN)

    def of_module(self, module: Module, name: str, frame: Frame) -> Value:
        """Return module.name, through its `__getattr__` where it has one."""
        value = self.module_attribute(module, name)
        if value is not MISSING:
            return value
        if module.cls is not None:
            return self.of_instance(Instance(module.cls, module.vars), name, frame)
        getter = module.vars.get("__getattr__", MISSING)
        if getter is MISSING or name.startswith("__"):
            return UNKNOWN
        return self.lazily(getter, [name], frame)

    def lazily(self, getter: Value, args: list[Value], frame: Frame) -> Value:
        """Call a `__getattr__`; an exception of it is the attribute's absence, which a reader cannot rely on."""
        self.catching.append(["AttributeError"])
        try:
            return self.force(self.call(getter, args, {}, frame))
        except Raised as error:
            if error.kind in ("ImportError", "ModuleNotFoundError"):
                raise
            return UNKNOWN
        finally:
            self.catching.pop()

    def lookup(self, cls: Class, name: str, depth: int = 0) -> Value:
        """Return a class attribute along its bases, depth first; MISSING where none has it."""
        value = cls.vars.get(name, MISSING)
        if value is not MISSING or depth > 20:
            return value
        for base in cls.bases:
            known = self.force(base)
            if isinstance(known, Class):
                value = self.lookup(known, name, depth + 1)
                if value is not MISSING:
                    return value
        return MISSING

    def of_class(self, cls: Class, name: str) -> Value:
        """Return cls.name."""
        if name == "__name__":
            return cls.name
        value = self.force(self.lookup(cls, name))
        if value is MISSING:
            return UNKNOWN
        if isinstance(value, Wrapped):
            return Bound(value.function, [cls]) if value.kind == "classmethod" else value.function
        return value

    def of_instance(self, instance: Instance, name: str, frame: Frame) -> Value:
        """Return instance.name: its own, its class's, or what `__getattr__` gives."""
        if instance.pending is not None:
            pending, instance.pending = instance.pending, None
            pending()
        if name == "__dict__":
            return instance.vars
        if name == "__class__":
            return instance.cls
        value = instance.vars.get(name, MISSING)
        if value is not MISSING:
            return value
        value = self.force(self.lookup(instance.cls, name))
        if isinstance(value, Function):
            return Bound(value, [instance])
        if isinstance(value, Wrapped):
            if value.kind == "staticmethod":
                return value.function
            if value.kind == "classmethod":
                return Bound(value.function, [instance.cls])
            return self.call(value.function, [instance], {}, frame)
        if value is not MISSING:
            return value
        getter = MISSING if name.startswith("__") or instance.opaque else self.lookup(instance.cls, "__getattr__")
        return UNKNOWN if getter is MISSING else self.lazily(getter, [instance, name], frame)

    def _of_super(self, base: Super, name: str) -> Value:
        for parent in base.cls.bases:
            known = self.force(parent)
            if isinstance(known, Class) and (value := self.force(self.lookup(known, name))) is not MISSING:
                function = value.function if isinstance(value, Wrapped) else value
                return Bound(function, [base.instance])
        if name == "__init__" and isinstance(base.instance, Instance):
            return Native("__init__", lambda _m, args, _k, _f: _name_module(base.instance, args))
        return UNKNOWN

    # Calls

    def call(self, function: Value, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        function = self.force(function)
        if isinstance(function, Native):
            return function.call(self, args, kwargs, frame)
        if isinstance(function, Bound):
            return self.call(function.function, [*function.args, *args], {**function.kwargs, **kwargs}, frame)
        if isinstance(function, Function):
            return self._call_function(function, args, kwargs, frame)
        if isinstance(function, Class):
            return self._construct(function, args, kwargs, frame)
        if isinstance(function, Instance):
            method = self.lookup(function.cls, "__call__")
            return UNKNOWN if method is MISSING else self.call(method, [function, *args], kwargs, frame)
        return UNKNOWN

    def _construct(self, cls: Class, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        if cls.name in _VERSIONS and args and (version := make_version(self.force(args[0]))) is not None:
            return version
        instance = Instance(cls)
        constructor = self.force(self.lookup(cls, "__init__"))
        if isinstance(constructor, Function):
            if self.reaches(constructor, args):
                self._initialise(instance, constructor, args, kwargs, frame)
            else:
                instance.pending = lambda: self._initialise(instance, constructor, args, kwargs, frame)
        elif args:
            _name_module(instance, args)
        return instance

    def _initialise(
        self, instance: Instance, constructor: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame
    ) -> None:
        """Run a constructor; what a skipped one would have set is unknown, not absent."""
        instance.opaque = self._run(constructor, [instance, *args], kwargs, frame) is UNKNOWN

    def _call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        if function.module.name in _INERT:
            return UNKNOWN
        kind = function.source.function(function.index)[3]
        if kind & COROUTINE:
            return UNKNOWN  # a coroutine that nobody awaits while modules are imported
        # A base class's constructor is called for what it does to the object, not for its result.
        if function.name == "__init__" or self.reaches(function, [*args, *kwargs.values()]):
            return self._run(function, args, kwargs, frame)
        return Deferred(lambda: self._run(function, args, kwargs, frame))

    def _run(self, function: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        """Execute a function's body, once for each set of known arguments."""
        library = self.is_library(function)
        key: object = (id(function), _key(args), _key(list(kwargs.values())), tuple(kwargs))
        if key in self._results:
            return self._results[key]
        count_key = (id(function.source), function.index)
        runs = self._runs[count_key] = self._runs.get(count_key, 0) + 1
        if self.depth >= MAX_DEPTH or runs > (MAX_LIBRARY_RUNS if library else MAX_RUNS):
            return UNKNOWN
        if library and self.library_depth >= MAX_LIBRARY_DEPTH:
            return UNKNOWN
        self._results[key] = UNKNOWN  # a recursive call does not go round again
        self._kept += [function, args, kwargs]
        parameters, _, _, kind = function.source.function(function.index)[:4]
        inner = Frame(function.module, {}, _path(function), function.outer, function)
        self._bind(function, parameters, args, kwargs, inner)
        self.depth += 1
        self.library_depth += library
        local = self.local
        try:
            signal = self.block(function.source.block(function.index), inner)
        finally:
            self.depth -= 1
            self.library_depth -= library
            self.local = local
        value = signal.value if signal is not None and signal.kind == "return" else None
        if inner.returned:
            value = inner.returned[0] if signal is None and len(inner.returned) == 1 else UNKNOWN
        if kind & GENERATOR:
            value = inner.yielded
        if library:
            return UNKNOWN
        if self.stateless(function):
            self._results[key] = value
        else:
            del self._results[key]
        return value

    def stateless(self, function: Function) -> bool:
        """Tell whether a second run with the same arguments would do nothing new."""
        chains = function.source.function(function.index)[1]
        return not any(chain.endswith("setdlopenflags") for chain in chains)

    def _bind(
        self, function: Function, parameters: list[Form], args: list[Value], kwargs: dict[str, Value], frame: Frame
    ) -> None:
        names, rest, keywords, more = parameters
        table = frame.vars
        for name, value in zip(reversed(names), reversed(function.defaults), strict=False):
            table[name] = value
        table.update(zip(keywords, function.keyword_defaults, strict=False))
        for name in names:
            table.setdefault(name, UNKNOWN)
        table.update(zip(names, args, strict=False))
        if rest is not None:
            table[rest] = tuple(args[len(names) :])
        extra = {}
        for name, value in kwargs.items():
            if name in names or name in keywords:
                table[name] = value
            else:
                extra[name] = value
        if more is not None:
            table[more] = extra

    # What a call can reach

    def reaches(self, function: Function, args: Iterable[Value] = ()) -> bool:
        """Tell whether a call may import or load something, from the names that the function and its callees use."""
        if args and function.source.function(function.index)[3] & CALLS_PARAMETER:
            for arg in args:
                known = arg.function if isinstance(arg, Bound) else arg
                if isinstance(known, Function) and known is not function and self.reaches(known):
                    return True
        if function.module.name in _INERT:
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

    def doubtful(self, form: Form, frame: Frame) -> Value:
        saved = self.local
        self.local = max(saved, LIKELY + 1)
        try:
            return self.known(form, frame)
        except Raised:
            return UNKNOWN
        finally:
            self.local = saved


def _path(function: Function) -> str:
    return str(function.module.vars.get("__file__", ""))


def _name_module(instance: Instance, args: list[Value]) -> None:
    """What types.ModuleType.__init__ does: a class derived from it keeps its first argument as `__name__`."""
    if args and isinstance(args[0], str):
        instance.vars.setdefault("__name__", args[0])


def _key(values: list[Value]) -> object:
    """Return a dict key for arguments: plain values by value, all others by identity."""
    return tuple(
        (type(value), value) if isinstance(value, str | int | float | type(None)) else id(value) for value in values
    )

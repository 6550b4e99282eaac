"""Calls of functions and classes that are read: played where they can load something, else put off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.attributes import name_module
from abiclash.imports.reach import INERT, Reach
from abiclash.imports.statements import COROUTINE, GENERATOR
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
    Value,
)
from abiclash.imports.versions import make_version

if TYPE_CHECKING:
    from abiclash.imports.expressions import Form

MAX_DEPTH = 60
MAX_LIBRARY_DEPTH = 3
MAX_LIBRARY_RUNS = 30
MAX_RUNS = 400
"""Executions of one function with different arguments in one plan."""

_STATE = ("setdlopenflags", "_getframe", "currentframe")
"""How names end that functions use whose result depends on more than their arguments."""
_VERSIONS = frozenset(("Version", "LooseVersion", "StrictVersion"))
"""Classes that compare version numbers, wherever they are vendored from."""


class Calls(Reach):
    """Calls."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = 0
        self.library_depth = 0
        self.current: Module | None = None  # which is being executed
        self.local = 0  # doubt that the running statement adds to its module's
        self._runs: dict[tuple[int, int], int] = {}
        self._results: dict[object, Value] = {}
        self._running: set[object] = set()
        self._kept: list[Value] = []  # keeps what `_results` is keyed by alive, so that no id is used twice

    def block(self, forms: list[Form], frame: Frame) -> Signal | None:
        """Execute statements."""
        raise NotImplementedError

    def is_library(self, function: Function) -> bool:
        """Tell whether a function is the standard library's: played once, for its imports only."""
        raise NotImplementedError

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
            name_module(instance, args)
        return instance

    def _initialise(
        self, instance: Instance, constructor: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame
    ) -> None:
        """Run a constructor; what a skipped one would have set is unknown, not absent."""
        instance.opaque = self._run(constructor, [instance, *args], kwargs, frame) is UNKNOWN

    def _call_function(self, function: Function, args: list[Value], kwargs: dict[str, Value], frame: Frame) -> Value:
        if function.module.name in INERT or (function.guessed and not _fits(function, args, kwargs)):
            return UNKNOWN
        kind = function.source.function(function.index)[3]
        if kind & COROUTINE:
            return UNKNOWN  # a coroutine that nobody awaits while modules are imported
        # A base class's constructor is called for what it does to the object, not for its result.
        if function.name == "__init__" or self.reaches(function, [*args, *kwargs.values()]):
            return self._run(function, args, kwargs, frame)
        if args:
            self.handed_over(function.name, args[0], frame)
        return Deferred(lambda: self._run(function, args, kwargs, frame))

    def _run(self, function: Function, args: list[Value], kwargs: dict[str, Value], caller: Frame) -> Value:
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
        running = (key, id(self.current))
        if running in self._running:
            return UNKNOWN  # a recursive call does not go round again; one from a module imported meanwhile does
        self._kept += [function, args, kwargs]
        parameters, _, _, kind = function.source.function(function.index)[:4]
        inner = Frame(function.module, {}, _path(function), function.outer, function, caller=caller)
        self._bind(function, parameters, args, kwargs, inner)
        self._running.add(running)
        self.depth += 1
        self.library_depth += library
        local = self.local
        try:
            signal = self.block(function.source.block(function.index), inner)
        finally:
            self._running.discard(running)
            self.depth -= 1
            self.library_depth -= library
            self.local = local
        value = signal.value if signal is not None and signal.kind in ("return", "raise") else None
        if inner.returned:
            value = inner.returned[0] if signal is None and len(inner.returned) == 1 else UNKNOWN
        if kind & GENERATOR:
            value = inner.yielded
        if library:
            value = UNKNOWN
        if library or self.stateless(function):
            self._results[key] = value
        return value

    def stateless(self, function: Function) -> bool:
        """Tell whether a second run with the same arguments would do nothing new."""
        chains = function.source.function(function.index)[1]
        return not any(chain.endswith(_STATE) for chain in chains)

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

    def doubtful(self, form: Form, frame: Frame) -> Value:
        saved = self.local
        self.local = max(saved, LIKELY + 1)
        try:
            return self.known(form, frame)
        except Raised:
            return UNKNOWN
        finally:
            self.local = saved


def _fits(function: Function, args: list[Value], kwargs: dict[str, Value]) -> bool:
    """Tell whether a function can be called so: where not, it is not the function that is called."""
    names, rest, *_ = function.source.function(function.index)[0]
    if UNKNOWN in args:
        return True  # maybe several
    required = names[len(args) : len(names) - len(function.defaults)]
    return all(name in kwargs for name in required) and (len(args) <= len(names) or rest is not None)


def _path(function: Function) -> str:
    return str(function.module.vars.get("__file__", ""))


def _key(values: list[Value]) -> object:
    """Return a dict key for arguments: plain values by value, all others by identity."""
    return tuple(
        (type(value), value) if isinstance(value, str | int | float | type(None)) else id(value) for value in values
    )

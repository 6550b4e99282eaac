"""What the reader of a module knows of a value.

Known plain values are Python's own: str, int, bool, None, tuple, list, dict, set and builtin exception classes.
Everything else is one of the classes here, or UNKNOWN. None of them ever holds foreign code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.imports.expressions import Form
    from abiclash.imports.source import ModuleSource
    from abiclash.imports.world import Found

Value = Any


class _Unknown:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
MISSING = _Unknown()

CERTAIN, LIKELY, POSSIBLE = 0, 1, 2
"""How sure it is that a statement is executed: larger is less sure."""


class Raised(Exception):  # noqa: N818 - it stands for an exception of the program that is read
    """An exception that the module being read would raise: the name of its class and why."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(eq=False, repr=False, slots=True)
class Module:
    """A module in sys.modules.

    vars: its namespace as far as known. done: its body has been executed. open: it may have names that are not in
    vars. doubt: how sure it is that it is imported. edges: modules that its import imports, with the doubt that the
    statement adds. loads: indices of the loads that its import causes, with the doubt that the statement adds.
    """

    name: str
    found: Found
    doubt: int
    vars: dict[str, Value] = field(default_factory=dict)
    source: ModuleSource | None = None
    done: bool = False
    open: bool = False
    cls: Class | None = None
    edges: list[tuple[Module, int]] = field(default_factory=list)
    loads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def search(self) -> tuple[str, ...] | None:
        """The package's __path__."""
        path = self.vars.get("__path__")
        return tuple(item for item in path if isinstance(item, str)) if isinstance(path, list) else None


@dataclass(eq=False, repr=False, slots=True)
class Function:
    """A function of a module that is read.

    outer: the frame it closes over. cls: the class that it is a method of. guessed: it stands for what a decorator
    makes of it, which is not known.
    """

    module: Module
    source: ModuleSource
    index: int
    name: str
    defaults: list[Value]
    keyword_defaults: list[Value]
    outer: Frame | None
    cls: Class | None = None
    guessed: bool = False


@dataclass(eq=False, repr=False, slots=True)
class Class:
    name: str
    bases: list[Value]
    vars: dict[str, Value]
    module: Module


@dataclass(eq=False, repr=False, slots=True)
class Instance:
    """An object of a known class. pending: its construction, which is played only when an attribute is asked for."""

    cls: Class
    vars: dict[str, Value] = field(default_factory=dict)
    pending: Callable[[], object] | None = None
    opaque: bool = False


@dataclass(eq=False, repr=False, slots=True)
class Bound:
    """A method of an object, or a function with leading arguments (functools.partial)."""

    function: Value
    args: list[Value]
    kwargs: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, repr=False, slots=True)
class Wrapped:
    """staticmethod, classmethod or property around a function."""

    kind: str
    function: Value


@dataclass(eq=False, repr=False, slots=True)
class Native:
    """A function of the interpreter or of its library that `natives` knows: call(machine, args, kwargs, frame)."""

    name: str
    call: Callable[..., Value]


def constant(value: Value) -> Native:
    """Return a function that always returns `value`."""
    return Native("constant", lambda _machine, _args, _kwargs, _frame: value)


@dataclass(eq=False, repr=False, slots=True)
class Deferred:
    """The result of a call that cannot load anything: worked out only when something depends on it."""

    work: Callable[[], Value] | None
    value: Value = UNKNOWN


@dataclass(eq=False, repr=False, slots=True)
class Super:
    """super() inside a method."""

    cls: Class
    instance: Value


@dataclass(eq=False, repr=False, slots=True)
class Thing:
    """A small object of the standard library: its type's name, its text (of a path), attributes and items."""

    kind: str
    text: str = ""
    vars: dict[str, Value] = field(default_factory=dict)
    items: dict[str, Value] = field(default_factory=dict)


@dataclass(eq=False, repr=False, slots=True)
class Frame:
    """Names of one running block. vars: locals (a module's or class body's namespace there).

    caller: who called the function. guards, expected: how many enclosing `try` statements catch ImportError, and
    NameError.
    """

    module: Module
    vars: dict[str, Value]
    path: str
    outer: Frame | None = None
    function: Function | None = None
    line: int = 0
    globals: frozenset[str] = frozenset()
    guards: int = 0
    expected: int = 0
    returned: list[Value] = field(default_factory=list)
    yielded: list[Value] = field(default_factory=list)
    caller: Frame | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """How a block ended early: "return" with a value, "break", "continue" or "raise" (in a branch that may be)."""

    kind: str
    value: Value = None


Forms = list["Form"]

"""One Python module as data: what its import does, in reduced form, and the source facts that rules need.

The source is parsed with `ast` and never executed. A digest depends on the bytes alone: Python version, platform and
other packages come in when a plan is made. So it is computed once per file and kept (`documents`).
"""

from __future__ import annotations

import ast
import json
import warnings
from dataclasses import dataclass, field
from typing import Any

from abiclash.errors import NotAnalysed
from abiclash.imports.newer_syntax import in_older_syntax
from abiclash.imports.registrations import Registration, registration
from abiclash.imports.statements import Reducer
from abiclash.parsing import read_json

DIGEST = 10
"""Version of the reduced form: part of every key under which digests are stored."""

MAX_SOURCE = 8 << 20
"""Bytes of source beyond which a module is not analysed: generated tables, with nothing to import in them."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A write to os.environ: the variable, the text of its value, the line, and whether import surely runs it."""

    name: str
    value: str
    line: int
    at_import: bool


@dataclass(frozen=True, slots=True)
class Demand:
    """A refusal to be imported after (or before) another module: `if 'module' in sys.modules: raise ...`."""

    module: str
    present: bool
    error: str
    line: int


@dataclass(slots=True)
class ModuleSource:
    """The digest of one module.

    body: reduced statements. functions: reduced functions, by the index that `def` statements give; still JSON text
    until one of them is called. environment, demands: see above. registrations: what the module adds to protobuf's
    default descriptor pool. error: why the module could not be read, else None.
    """

    body: list[Any] = field(default_factory=list)
    functions: list[Any] | str = field(default_factory=list)
    environment: tuple[Setting, ...] = ()
    demands: tuple[Demand, ...] = ()
    registrations: tuple[Registration, ...] = ()
    error: str | None = None
    _bodies: str = ""
    _mentioned: dict[str, bool] = field(default_factory=dict)

    def function(self, index: int) -> list[Any]:
        """Return [parameters, chains, sink, kind, ...] of one function."""
        if isinstance(self.functions, str):
            rows, _, self._bodies = self.functions.partition("\n")
            self.functions = list(read_json(rows))
        functions: list[list[Any]] = self.functions
        return functions[index]

    def block(self, index: int) -> list[Any]:
        """Return the body of one function."""
        row = self.function(index)
        if isinstance(row[4], int):
            row[4] = read_json(self._bodies[row[4] : row[4] + row[5]])
        body: list[Any] = row[4]
        return body

    def mentions(self, name: str) -> bool:
        """Tell whether a name occurs in the module's code, outside of function bodies."""
        if name not in self._mentioned:
            self._mentioned[name] = _occurs(name, self.body)
        return self._mentioned[name]

    def dump(self) -> tuple[str, str]:
        """Return the digest as two texts: JSON of what every import of it needs, and the functions.

        The functions' text is one line of JSON rows [parameters, chains, sink, kind, start, length], then the bodies.
        """
        facts = [
            [[s.name, s.value, s.line, s.at_import] for s in self.environment],
            [[d.module, d.present, d.error, d.line] for d in self.demands],
            [[r.file, r.line, r.content, r.names] for r in self.registrations],
        ]
        head = json.dumps([self.body, facts, self.error], separators=(",", ":"))
        return head, self.functions if isinstance(self.functions, str) else self._dump_functions()

    def _dump_functions(self) -> str:
        rows, bodies, position = [], [], 0
        for index in range(len(self.functions)):
            body = json.dumps(self.block(index), separators=(",", ":"))
            rows.append([*self.function(index)[:4], position, len(body)])
            bodies.append(body)
            position += len(body)
        return json.dumps(rows, separators=(",", ":")) + "\n" + "".join(bodies)

    @classmethod
    def load(cls, head: str | bytes, functions: str) -> ModuleSource:
        """Return the digest that `dump` wrote."""
        body, (environment, demands, registrations), error = read_json(head)
        return cls(
            body,
            functions,
            tuple(Setting(*row) for row in environment),
            tuple(Demand(*row) for row in demands),
            tuple(Registration(file, line, content, tuple(names)) for file, line, content, names in registrations),
            error,
        )


def read_module(source: bytes, name: str) -> ModuleSource:
    """Return the digest of a module's source. `name` is used in messages only.

    Source that cannot be parsed gives a digest with `error` set: Python would raise a SyntaxError on import too,
    unless it is of another Python than the one that runs abiclash and `newer_syntax` does not help.
    """
    if len(source) > MAX_SOURCE:
        return ModuleSource(error=f"source of {len(source)} bytes is larger than {MAX_SOURCE}")
    reducer = _SourceReducer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SyntaxWarning of foreign source is no concern of the user
            tree = _parsed(source, name)
        body = reducer.block(tree.body)
    except (RecursionError, MemoryError):  # the parser's own stack is what runs out of memory
        return ModuleSource(error="nested too deeply")
    except (SyntaxError, ValueError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        return ModuleSource(error=f"not readable as Python source: {reason}")
    return ModuleSource(
        body,
        reducer.functions,
        tuple(reducer.environment),
        tuple(reducer.demands),
        tuple(reducer.registrations),
    )


def _parsed(source: bytes, name: str) -> ast.Module:
    try:
        return ast.parse(source, filename=name)
    except SyntaxError:
        older = in_older_syntax(source)
        if older is None:
            raise
        return ast.parse(older, filename=name)


def not_analysed(path: str, source: ModuleSource) -> NotAnalysed:
    """Return the record of a module whose source could not be read."""
    return NotAnalysed(path, source.error or "")


class _SourceReducer(Reducer):
    """Reduces a module and collects the facts that rules need on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.environment: list[Setting] = []
        self.demands: list[Demand] = []
        self.registrations: list[Registration] = []
        self.depth = 0

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> int:
        self.depth += 1
        index = super().function(node)
        self.depth -= 1
        return index

    def called(self, node: ast.Call) -> None:
        function = node.func
        if not isinstance(function, ast.Attribute):
            return
        if (found := registration(node)) is not None:
            self.registrations.append(found)
        elif _sets_one(function) and len(node.args) == 2:
            self._set(node.args[0], node.args[1], node.lineno)
        elif function.attr == "update" and _is_environ(function.value):
            for key in node.keywords:
                if key.arg:
                    self._set(ast.Constant(key.arg), key.value, node.lineno)
            for arg in node.args:
                if isinstance(arg, ast.Dict):
                    for name, value in zip(arg.keys, arg.values, strict=True):
                        self._set(name, value, node.lineno)

    def assigned(self, node: ast.Assign) -> None:
        for target in node.targets:
            if isinstance(target, ast.Subscript) and _is_environ(target.value):
                self._set(target.slice, node.value, node.lineno)

    def tested(self, node: ast.If) -> None:
        test = node.test
        if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Constant)):
            return
        table, name = test.comparators[0], test.left.value
        if not (isinstance(table, ast.Attribute) and table.attr == "modules" and isinstance(name, str)):
            return
        for line in node.body:
            if isinstance(line, ast.Raise) and line.exc is not None:
                error = ast.unparse(line.exc)[:300]
                self.demands.append(Demand(name, isinstance(test.ops[0], ast.In), error, line.lineno))

    def _set(self, name: ast.expr | None, value: ast.expr, line: int) -> None:
        if name is None:
            return
        text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ast.unparse(name)
        self.environment.append(Setting(text[:200], ast.unparse(value)[:300], line, self.depth == 0))


def _sets_one(function: ast.Attribute) -> bool:
    return function.attr == "putenv" or (function.attr == "setdefault" and _is_environ(function.value))


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def _occurs(name: str, form: object) -> bool:
    return form == name or (isinstance(form, list) and any(_occurs(name, part) for part in form))

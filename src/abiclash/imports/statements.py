"""Statements of a Python module in reduced form: what matters for which libraries an import loads.

Each statement is a list [tag, line, ...]; `execute.Machine` has one method for each tag. The bodies of functions are
kept apart, because most are never called by an import.
"""

from __future__ import annotations

import ast
import builtins
from typing import Any

from abiclash.imports.expressions import Expressions, Form

SINKS = frozenset(
    (
        "import_module", "__import__", "CDLL", "PyDLL", "cdll", "pydll", "LoadLibrary", "dlopen", "setdlopenflags",
        "exec", "exec_module", "create_module", "module_from_spec", "load_module", "load_dynamic", "modules",
    )
)  # fmt: skip
"""Names whose use in a function can load a library or change how one is loaded."""

_BUILTINS = frozenset(dir(builtins)) - {"__import__", "exec"}
GENERATOR, COROUTINE, CALLS_PARAMETER = 1, 2, 4
"""Bits of a function's kind. Calls of a parameter count in its own body only, not in functions that it makes."""
Block = list[Form]


class Reducer(Expressions):
    """Reduces the statements of one module."""

    def __init__(self) -> None:
        super().__init__()
        self.functions: list[Form] = []
        self.postponed = False
        self.sink = False
        self._statements: dict[type, Any] = {
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Expr: self._expression,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.If: self._if,
            ast.Try: self._try,
            ast.TryStar: self._try,
            ast.FunctionDef: self._def,
            ast.AsyncFunctionDef: self._def,
            ast.ClassDef: self._class,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.While: lambda n: ["wh", n.lineno, self.expr(n.test), self.block(n.body), self.block(n.orelse)],
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.Return: lambda n: ["ret", n.lineno, self.expr(n.value) if n.value else ["k", None]],
            ast.Raise: self._raise,
            ast.Delete: lambda n: ["del", n.lineno, [self.target(target) for target in n.targets]],
            ast.Global: lambda n: ["g", n.lineno, n.names],
            ast.Nonlocal: lambda n: ["nl", n.lineno, n.names],
            ast.Assert: lambda n: self._effect(n.lineno, self.expr(n.test)),
            ast.Break: lambda n: ["br", n.lineno],
            ast.Continue: lambda n: ["cn", n.lineno],
            ast.Match: self._match,
        }

    def block(self, body: list[ast.stmt]) -> Block:
        """Return the reduced forms of a block's statements, without those that do nothing of interest."""
        forms: Block = []
        for node in body:
            method = self._statements.get(type(node))
            form = method(node) if method is not None else None
            if form is None:
                continue
            if form[0] == "many":
                forms.extend(form[1])
            else:
                forms.append(form)
        return forms

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> int:
        """Keep a function apart: [parameters, chains of names it uses, sink, generator, body]."""
        outer = self.chains, self.sink, self.generator, self.called_names
        self.chains, self.sink, self.generator, self.called_names = set(), False, False, set()
        body = [["ret", node.lineno, self.expr(node.body)]] if isinstance(node, ast.Lambda) else self.block(node.body)
        sink = self.sink or any(not SINKS.isdisjoint(chain.split(".")) for chain in self.chains)
        kind = COROUTINE if isinstance(node, ast.AsyncFunctionDef) else GENERATOR if self.generator else 0
        names = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args)]
        rest = [node.args.vararg.arg if node.args.vararg else None, node.args.kwarg.arg if node.args.kwarg else None]
        keywords = [arg.arg for arg in node.args.kwonlyargs]
        if not self.called_names.isdisjoint((*names, *keywords)):
            kind |= CALLS_PARAMETER
        chains = self._outside([*names, *rest, *keywords], body)
        self.functions.append([[names, rest[0], keywords, rest[1]], chains, int(sink), kind, body])
        self.chains, self.sink, self.generator, self.called_names = outer[0] | self.chains, outer[1] or sink, *outer[2:]
        return len(self.functions) - 1

    def _outside(self, parameters: list[str | None], body: Block) -> list[str]:
        """Return the chains that a function takes from outside; those of its first parameter may be its object's."""
        own = {*parameters[1:], *_bound(body)}
        return sorted(
            chain for chain in self.chains if (root := chain.partition(".")[0]) not in own and root not in _BUILTINS
        )

    def _import(self, node: ast.Import) -> Form:
        self.sink = True
        return ["many", [["i", node.lineno, alias.name, alias.asname] for alias in node.names]]

    def _import_from(self, node: ast.ImportFrom) -> Form:
        if node.module == "__future__" and node.level == 0:
            self.postponed = self.postponed or any(alias.name == "annotations" for alias in node.names)
            return None
        self.sink = True
        names = [[alias.name, alias.asname or alias.name] for alias in node.names]
        return ["f", node.lineno, node.level, node.module or "", names]

    def _if(self, node: ast.If) -> Form:
        self.tested(node)
        return ["?", node.lineno, self.expr(node.test), self.block(node.body), self.block(node.orelse)]

    def _effect(self, line: int, value: Form) -> Form:
        return ["x", line, value] if isinstance(value, list) and value[0] != "k" else None

    def _expression(self, node: ast.Expr) -> Form:
        if isinstance(node.value, ast.Name):
            return ["x", node.lineno, node.value.id]  # done to see whether there is such a name
        return self._effect(node.lineno, self.expr(node.value))

    def _assign(self, node: ast.Assign) -> Form:
        self.assigned(node)
        return ["=", node.lineno, [self.target(target) for target in node.targets], self.expr(node.value)]

    def _annotated(self, node: ast.AnnAssign) -> Form:
        annotation = None if self.postponed else self._effect(node.lineno, self.expr(node.annotation))
        if node.value is None:
            return annotation
        assign = ["=", node.lineno, [self.target(node.target)], self.expr(node.value)]
        return ["many", [annotation, assign]] if annotation else assign

    def _augmented(self, node: ast.AugAssign) -> Form:
        left = self.expr(node.target)
        operator = "+" if isinstance(node.op, ast.Add) else None
        return ["+=", node.lineno, self.target(node.target), operator, left, self.expr(node.value)]

    def _try(self, node: ast.Try | ast.TryStar) -> Form:
        handlers = [[_exceptions(handler.type), handler.name, self.block(handler.body)] for handler in node.handlers]
        return [
            "try",
            node.lineno,
            self.block(node.body),
            handlers,
            self.block(node.orelse),
            self.block(node.finalbody),
        ]

    def _def(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Form:
        decorators = [self.expr(decorator) for decorator in node.decorator_list]
        defaults = [self.expr(default) for default in node.args.defaults]
        keyword = [0 if default is None else self.expr(default) for default in node.args.kw_defaults]
        annotations = [] if self.postponed else self._annotations(node)
        index = self.function(node)
        return ["def", node.lineno, node.name, index, decorators, defaults, keyword, annotations]

    def _annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Form]:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += [arg for arg in (node.args.vararg, node.args.kwarg) if arg is not None]
        nodes = [arg.annotation for arg in arguments if arg.annotation is not None]
        forms = [self.expr(annotation) for annotation in (*nodes, *([node.returns] if node.returns else []))]
        return [form for form in forms if isinstance(form, list) and form[0] != "k"]

    def _class(self, node: ast.ClassDef) -> Form:
        decorators = [self.expr(decorator) for decorator in node.decorator_list]
        bases = [self.expr(base) for base in node.bases]
        keywords = [[keyword.arg, self.expr(keyword.value)] for keyword in node.keywords]
        return ["class", node.lineno, node.name, bases, keywords, decorators, self.block(node.body)]

    def _for(self, node: ast.For | ast.AsyncFor) -> Form:
        head = ["for", node.lineno, self.target(node.target), self.expr(node.iter)]
        return [*head, self.block(node.body), self.block(node.orelse)]

    def _with(self, node: ast.With | ast.AsyncWith) -> Form:
        items = [
            [self.expr(item.context_expr), self.target(item.optional_vars) if item.optional_vars else None]
            for item in node.items
        ]
        return ["with", node.lineno, items, self.block(node.body)]

    def _raise(self, node: ast.Raise) -> Form:
        name = _exceptions(node.exc)
        value = self.expr(node.exc)
        return ["!", node.lineno, name[0] if name else None, self.effects(value)]

    def _match(self, node: ast.Match) -> Form:
        # Patterns are not evaluated: each case may be the one.
        form: Form = []
        for case in reversed(node.cases):
            form = [["?", node.lineno, None, self.block(case.body), form]]
        subject = self._effect(node.lineno, self.expr(node.subject))
        return ["many", [*([subject] if subject else []), *form]]


def _bound(body: Block) -> set[str]:
    """Return the names that a block binds as local variables."""
    names: set[str] = set()
    outside: set[str] = set()
    for form in body:
        tag = form[0]
        if tag == "=":
            names.update(target for target in form[2] if isinstance(target, str))
        elif tag == "for":
            names |= ({form[2]} if isinstance(form[2], str) else set()) | _bound(form[4])
        elif tag in ("?", "wh"):
            names |= _bound(form[3]) | _bound(form[4])
        elif tag == "with":
            names |= {item[1] for item in form[2] if isinstance(item[1], str)} | _bound(form[3])
        elif tag in ("g", "nl"):
            outside.update(form[2])
    return names - outside


def _exceptions(node: ast.expr | None) -> list[str] | None:
    """Return the last names of the exception classes in `except ...` or `raise ...`, None for a bare one."""
    if node is None:
        return None
    if isinstance(node, ast.Tuple):
        return [name for item in node.elts for name in _exceptions(item) or []]
    if isinstance(node, ast.Call):
        return _exceptions(node.func)
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [node.id] if isinstance(node, ast.Name) else ["?"]

"""Expressions of Python source in reduced form: nested lists that JSON can hold and `evaluate` can read.

A string is a name. `None` is a value that nothing is known of and whose evaluation does nothing of interest.
Everything else is a list that opens with a tag; `evaluate.Evaluator` has one method for each.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Form = Any  # str | None | list[Form]: a recursive type that mypy cannot use with profit

MAX_TEXT = 1000
MAX_ITEMS = 20_000

_BINARY = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.BitOr: "|",
    ast.BitAnd: "&",
    ast.BitXor: "^",
}
_COMPARE = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}


class Expressions:
    """Reduces expressions; the statements' reducer (`statements.Reducer`) says how a function body is kept."""

    def __init__(self) -> None:
        self.chains: set[str] = set()
        self.generator = False
        self.called_names: set[str] = set()
        self._methods: dict[type, Callable[[Any], Form]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Call: self._call,
            ast.BinOp: self._binary,
            ast.BoolOp: self._bool,
            ast.UnaryOp: self._unary,
            ast.Compare: self._compare,
            ast.Tuple: self._sequence,
            ast.List: self._sequence,
            ast.Set: self._sequence,
            ast.Dict: self._dict,
            ast.Subscript: self._subscript,
            ast.JoinedStr: self._joined,
            ast.IfExp: self._conditional,
            ast.Lambda: self._lambda,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.NamedExpr: lambda node: [":=", node.target.id, self.expr(node.value)],
            ast.Starred: lambda node: ["*", self.expr(node.value)],
            ast.Yield: self._yield,
            ast.YieldFrom: self._yield,
            ast.Await: self._yield,
        }

    def expr(self, node: ast.expr | None) -> Form:
        """Return the reduced form of an expression (None in, None out)."""
        method = self._methods.get(type(node))
        return None if method is None else method(node)

    def function(self, node: ast.Lambda) -> int:
        """Keep a lambda's body apart and return its index among the module's functions."""
        raise NotImplementedError

    def called(self, node: ast.Call) -> None:
        """Look at a call for facts that a rule needs."""

    def assigned(self, node: ast.Assign) -> None:
        """Look at an assignment for facts that a rule needs."""

    def tested(self, node: ast.If) -> None:
        """Look at a condition for facts that a rule needs."""

    def target(self, node: ast.expr) -> Form:
        """Return the reduced form of an assignment's target."""
        if isinstance(node, ast.Name):
            return node.id
        if isinstance(node, ast.Attribute):
            return [".", self.expr(node.value), node.attr]
        if isinstance(node, ast.Subscript):
            return ["s", self.expr(node.value), self.expr(node.slice)]
        if isinstance(node, ast.Tuple | ast.List):
            return ["t", [self.target(item) for item in node.elts]]
        if isinstance(node, ast.Starred):
            return ["*", self.target(node.value)]
        return None

    def effects(self, *children: Form) -> Form:
        """Return the form of an unknown value whose parts are still evaluated."""
        kept = [child for child in children if isinstance(child, list) and child[0] != "k"]
        return ["u", kept] if kept else None

    def _constant(self, node: ast.Constant) -> Form:
        value = node.value
        if isinstance(value, str):
            return ["k", value] if len(value) <= MAX_TEXT else None
        if value is None or isinstance(value, bool | float):
            return ["k", value]
        return ["k", value] if isinstance(value, int) and abs(value) < 1 << 63 else None

    def _name(self, node: ast.Name) -> Form:
        self.chains.add(node.id)
        return node.id

    def _attribute(self, node: ast.Attribute) -> Form:
        names = [node.attr]
        base = node.value
        while isinstance(base, ast.Attribute):
            names.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            names.append(base.id)
            self.chains.add(".".join(reversed(names)))
            form: Form = base.id
            for name in reversed(names[:-1]):
                form = [".", form, name]
            return form
        self.chains.add("?." + node.attr)
        form = self.expr(base)
        for name in reversed(names):
            form = [".", form, name]
        return form

    def _call(self, node: ast.Call) -> Form:
        self.called(node)
        if isinstance(node.func, ast.Name):
            self.called_names.add(node.func.id)
        keywords = [keyword.arg for keyword in node.keywords]
        values = [self.expr(keyword.value) for keyword in node.keywords]
        return ["(", self.expr(node.func), [self.expr(arg) for arg in node.args], keywords, values]

    def _binary(self, node: ast.BinOp) -> Form:
        operator = _BINARY.get(type(node.op))
        left, right = self.expr(node.left), self.expr(node.right)
        if operator is None or (left is None and right is None):
            return self.effects(left, right)
        return ["+", operator, left, right]

    def _bool(self, node: ast.BoolOp) -> Form:
        return ["&" if isinstance(node.op, ast.And) else "or", [self.expr(value) for value in node.values]]

    def _unary(self, node: ast.UnaryOp) -> Form:
        operand = self.expr(node.operand)
        if isinstance(node.op, ast.Not):
            return ["!", operand]
        if isinstance(node.op, ast.USub):
            return ["-", operand]
        return self.effects(operand)

    def _compare(self, node: ast.Compare) -> Form:
        operators = [_COMPARE[type(operator)] for operator in node.ops]
        return ["<", self.expr(node.left), operators, [self.expr(right) for right in node.comparators]]

    def _sequence(self, node: ast.Tuple | ast.List | ast.Set) -> Form:
        if len(node.elts) > MAX_ITEMS:
            return None
        tag = "t" if isinstance(node, ast.Tuple) else "l" if isinstance(node, ast.List) else "{"
        return [tag, [self.expr(item) for item in node.elts]]

    def _dict(self, node: ast.Dict) -> Form:
        if len(node.keys) > MAX_ITEMS:
            return None
        keys: list[Form] = [0 if key is None else self.expr(key) for key in node.keys]
        return ["d", keys, [self.expr(value) for value in node.values]]

    def _subscript(self, node: ast.Subscript) -> Form:
        base = self.expr(node.value)
        if isinstance(node.slice, ast.Slice):
            parts = [self.expr(part) for part in (node.slice.lower, node.slice.upper, node.slice.step)]
            return ["sl", base, *parts]
        return ["s", base, self.expr(node.slice)]

    def _joined(self, node: ast.JoinedStr) -> Form:
        parts: list[Form] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                value = self.expr(part.value)
                plain = part.format_spec is None and part.conversion == -1
                parts.append(value if plain else self.effects(value))
            else:
                parts.append(self.expr(part))
        return ["f", parts]

    def _conditional(self, node: ast.IfExp) -> Form:
        return ["?", self.expr(node.test), self.expr(node.body), self.expr(node.orelse)]

    def _lambda(self, node: ast.Lambda) -> Form:
        return ["fn", self.function(node), [self.expr(default) for default in node.args.defaults]]

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Form:
        generators = [
            [self.target(gen.target), self.expr(gen.iter), [self.expr(test) for test in gen.ifs]]
            for gen in node.generators
        ]
        if isinstance(node, ast.DictComp):
            return ["co", "d", self.expr(node.key), self.expr(node.value), generators]
        kind = "{" if isinstance(node, ast.SetComp) else "l"
        return ["co", kind, self.expr(node.elt), None, generators]

    def _yield(self, node: ast.Yield | ast.YieldFrom | ast.Await) -> Form:
        value = self.expr(node.value)
        if isinstance(node, ast.Await):
            return self.effects(value)
        self.generator = True
        return ["y", isinstance(node, ast.YieldFrom), value]

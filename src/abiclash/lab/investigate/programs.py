"""The programs to run: each statement alone and in each order, or exactly what the user gives."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.lab.verify import orders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.lab.investigate.result import Program


def statements(code: str) -> tuple[str, ...]:
    """Cut code into its statements, an import of several modules into one each. Raises UsageError."""
    try:
        body = ast.parse(code).body
    except SyntaxError as error:
        raise UsageError(f"{code!r}: not Python code ({error.msg}); give statements, as in 'import numpy'") from error
    parts: list[ast.stmt] = []
    for node in body:
        parts += [ast.Import([alias]) for alias in node.names] if isinstance(node, ast.Import) else [node]
    return tuple(ast.unparse(part) for part in parts)


def imports(wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """Each alone, then all together in each order. wanted: statements, or names of modules."""
    return orders([each if " " in each else f"import {each}" for each in wanted])


def pair(programs: Sequence[Program]) -> tuple[Program | None, Program | None]:
    """Return the program to explain, and the one to compare it with.

    The shortest failing one that has a working end (so that what was imported before is to blame), else the first
    failing one; and its longest working end, else the first working one.
    """
    failing = sorted((each for each in programs if not each.outcome.works), key=lambda each: len(each.statements))
    working = [each for each in programs if each.outcome.works]
    for each in failing:
        ends = [other for other in working if each.statements[-len(other.statements) :] == other.statements]
        if ends:
            return each, max(ends, key=lambda other: len(other.statements))
    return (failing[0] if failing else None), (working[0] if working else None)

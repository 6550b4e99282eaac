"""Operators on values, where both sides are known."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from abiclash.imports.values import UNKNOWN, Deferred, Thing, Value
from abiclash.imports.versions import as_version

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LENGTH = 20_000
"""Items or characters beyond which a computed value counts as unknown."""
PLAIN = (str, int, float, tuple, list, dict, set, frozenset, type(None))
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "-": operator.sub,
    "/": operator.truediv,
    "//": operator.floordiv,
    "|": operator.or_,
    "&": operator.and_,
    "^": operator.xor,
}
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def rank(value: Value) -> str:
    """Give the items of a set an order that is equal in every run; objects are ranked by their name."""
    return str(value) if isinstance(value, PLAIN) else str(getattr(value, "name", ""))


def compute(sign: str, left: Value, right: Value) -> Value:
    """Return `left sign right` of plain values, UNKNOWN where it is an error or too large."""
    if not (isinstance(left, PLAIN) and isinstance(right, PLAIN)):
        return UNKNOWN
    try:
        if sign == "+" and _size(left) + _size(right) <= MAX_LENGTH:
            return left + right  # type: ignore[operator]
        if sign == "*" and _size(left) * abs(_size(right)) <= MAX_LENGTH:
            return left * right  # type: ignore[operator]
        if sign == "%" and isinstance(left, str):
            return _percent(left, right)
        return _OPERATORS[sign](left, right) if sign in _OPERATORS else UNKNOWN
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return UNKNOWN


def _percent(text: str, right: Value) -> Value:
    args = right if isinstance(right, tuple) else (right,)
    plain = text.count("%") == text.count("%s") + text.count("%d")
    known = all(isinstance(arg, str | int) for arg in args)
    return text % args if plain and known else UNKNOWN


def compare(sign: str, left: Value, right: Value) -> bool | None:
    """Return `left sign right` for all comparisons but `in`; None where it is not known."""
    if sign in ("is", "is not"):
        same = _identical(left, right)
        return None if same is None else same is (sign == "is")
    if isinstance(left, Thing) and left.kind == "version" and (first := as_version(left)) is not None:
        second = as_version(right)
        return None if second is None else bool(_COMPARISONS[sign](first, second))
    if not (isinstance(left, PLAIN) and isinstance(right, PLAIN)) or vague(left) or vague(right):
        if sign in ("==", "!=") and (same := _identical(left, right)) is not None:
            return same is (sign == "==")
        return None
    try:
        return bool(_COMPARISONS[sign](left, right))
    except TypeError:
        return None


def hashable(key: Value) -> Value:
    """Return a value that can be a key, UNKNOWN in place of one that cannot."""
    try:
        hash(key)
    except TypeError:
        return UNKNOWN
    return key


def as_set(items: list[Value]) -> set[Value]:
    """Return the set of the items that can be in one."""
    return {hashable(item) for item in items}


def _size(value: Value) -> int:
    return value if isinstance(value, int) else len(value) if hasattr(value, "__len__") else 1


def vague(value: Value) -> bool:
    """Tell whether a container holds something unknown."""
    if isinstance(value, dict):
        return UNKNOWN in value
    return isinstance(value, tuple | list | set | frozenset) and any(
        item is UNKNOWN or isinstance(item, Deferred) for item in value
    )


def _identical(left: Value, right: Value) -> bool | None:
    if left is UNKNOWN or right is UNKNOWN:
        return None
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left is right:
        return True
    if isinstance(left, PLAIN) and isinstance(right, PLAIN):
        return None if vague(left) or vague(right) else bool(left == right)
    return None

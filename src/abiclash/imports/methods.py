"""Methods of str, list, dict, set and tuple that are harmless to call on known values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.values import UNKNOWN, Native, Value

if TYPE_CHECKING:
    from abiclash.imports.evaluate import Evaluator

_TEXT = frozenset(
    (
        "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdecimal", "isdigit",
        "isidentifier", "islower", "isspace", "isupper", "lower", "lstrip", "partition", "removeprefix", "removesuffix",
        "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip",
        "title", "upper",
    )
)  # fmt: skip
_MAPPING = frozenset(("get", "keys", "values", "items", "copy", "update", "setdefault", "pop", "clear"))
_SEQUENCE = frozenset(
    ("append", "extend", "insert", "remove", "pop", "index", "count", "copy", "reverse", "clear")
)  # fmt: skip
_SET = frozenset(
    ("add", "discard", "remove", "union", "update", "difference", "intersection", "copy", "issubset", "issuperset")
)
_LIMIT = 20_000


def method_of(machine: Evaluator, base: Value, name: str) -> Value:
    """Return the method `name` of a plain value as a `Native`, or UNKNOWN where it is not one of the harmless ones."""
    if isinstance(base, str):
        if name == "join":
            return Native(name, lambda _m, args, _k, _f: _join(machine, base, args))
        if name == "format":
            return Native(name, lambda _m, args, kwargs, _f: _format(base, [machine.force(a) for a in args], kwargs))
        allowed = _TEXT
    elif isinstance(base, dict):
        allowed = _MAPPING
    elif isinstance(base, list | tuple):
        allowed = _SEQUENCE
    else:
        allowed = _SET if isinstance(base, set | frozenset) else frozenset()
    if name not in allowed or not hasattr(base, name):
        return UNKNOWN
    return Native(name, lambda _m, args, kwargs, _f: _apply(machine, base, name, args, kwargs))


def _apply(machine: Evaluator, base: Value, name: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    known = [machine.force(arg) for arg in args]
    if isinstance(base, str) and any(not _textual(arg) for arg in known):
        return UNKNOWN
    if name in ("extend", "update", "union", "difference", "intersection"):
        for arg in known:
            if not isinstance(arg, list | tuple | dict | set | frozenset):
                return UNKNOWN
    try:
        result = getattr(base, name)(*known, **kwargs)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError):
        return UNKNOWN
    if isinstance(base, dict) and name in ("keys", "values", "items"):
        return list(result)
    if isinstance(result, str) and len(result) > _LIMIT:
        return UNKNOWN
    return result


def _textual(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, str | int)


def _join(machine: Evaluator, separator: str, args: list[Value]) -> Value:
    items = machine.iterate(args[0]) if args else None
    if items is None:
        return UNKNOWN
    texts = [machine.force(item) for item in items]
    if any(not isinstance(text, str) for text in texts) or sum(map(len, texts)) > _LIMIT:
        return UNKNOWN
    return separator.join(texts)


def _format(text: str, args: list[Value], kwargs: dict[str, Value]) -> Value:
    """str.format for plain fields only: a format specification could ask for any width."""
    if ":" in text or "!" in text or "[" in text or any("." in part.partition("}")[0] for part in text.split("{")[1:]):
        return UNKNOWN
    if not all(isinstance(value, str | int) for value in (*args, *kwargs.values())):
        return UNKNOWN
    try:
        return text.format(*args, **kwargs)
    except (IndexError, KeyError, ValueError):
        return UNKNOWN

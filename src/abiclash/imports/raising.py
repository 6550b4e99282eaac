"""Which exceptions an `except` clause catches, by the names of their classes."""

from __future__ import annotations

import builtins


def catches(names: list[str] | None, kind: str) -> bool:
    """Tell whether `except names` catches an exception of class `kind`; None is a bare except."""
    if names is None:
        return True
    cls = getattr(builtins, kind, None)
    ancestors = (
        {base.__name__ for base in cls.__mro__} if isinstance(cls, type) else {kind, "Exception", "BaseException"}
    )
    if kind == "PackageNotFoundError":  # importlib.metadata's
        ancestors |= {"ModuleNotFoundError", "ImportError"}
    return any(name in ancestors for name in names)

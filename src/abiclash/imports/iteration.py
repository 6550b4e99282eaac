"""Builtins that go over items: sorted, map, filter, zip, range, any, all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.values import UNKNOWN, Native, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.imports.machine import Machine
    from abiclash.imports.values import Frame

Args = list[Value]
Kwargs = dict[str, Value]
MAX_CALLS = 2_000


def iterated(make: Callable[[list[Value]], Value]) -> Native:
    """Wrap a builtin that goes over the items of its one argument; a `key` function is played, as it may import."""

    def run(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
        if set(kwargs) - {"key"}:
            return UNKNOWN
        items = machine.iterate(args[0]) if args else []
        if "key" in kwargs:
            for item in [UNKNOWN] if items is None else items[:MAX_CALLS]:
                machine.call(kwargs["key"], [item], {}, frame)
        try:
            return UNKNOWN if items is None else make(items)
        except TypeError:
            return UNKNOWN

    return Native("iterated", run)


def range_function(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """range(...) of known numbers."""
    known = [machine.force(arg) for arg in args]
    if not known or not all(isinstance(arg, int) for arg in known):
        return UNKNOWN
    try:
        numbers = range(*known)
    except (TypeError, ValueError):
        return UNKNOWN
    return list(numbers) if len(numbers) <= 20_000 else UNKNOWN


def quantified(stop: bool) -> Native:
    """Return any (stop at True) or all (stop at False)."""

    def run(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
        items = machine.iterate(args[0]) if args else None
        if items is None:
            return UNKNOWN
        truths = [machine.truth(item) for item in items]
        return stop if stop in truths else UNKNOWN if None in truths else not stop

    return Native("any" if stop else "all", run)


def map_function(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """map(function, items): the function is played for each item, once for items that are not known."""
    items = machine.iterate(args[1]) if len(args) == 2 else None
    if items is None:
        if len(args) > 1:
            machine.call(args[0], [UNKNOWN] * (len(args) - 1), {}, frame)
        return UNKNOWN
    return [machine.call(args[0], [item], {}, frame) for item in items[:MAX_CALLS]]


def filter_function(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """filter(function, items), likewise."""
    items = machine.iterate(args[1]) if len(args) == 2 else None
    test = machine.force(args[0]) if args else None
    if items is None:
        if test is not None:
            machine.call(test, [UNKNOWN], {}, frame)
        return UNKNOWN
    kept = [
        (item, machine.truth(item if test is None else machine.call(test, [item], {}, frame)))
        for item in items[:MAX_CALLS]
    ]
    return UNKNOWN if any(truth is None for _, truth in kept) else [item for item, truth in kept if truth]


def zip_function(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """zip(...) of known items."""
    columns = [machine.iterate(arg) for arg in args]
    known = [column for column in columns if column is not None]
    return list(zip(*known, strict=False)) if len(known) == len(columns) else UNKNOWN

"""The history of a binding as text: scope by scope, who was passed over and for which clause."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from abiclash.errors import UsageError
from abiclash.linker.explain import explain
from abiclash.names import name_key
from abiclash.reports.safe import name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.linker.explain import Explanation
    from abiclash.linker.process import Process


def explanations(process: Process, symbol: str, pattern: str) -> Iterator[str]:
    """Yield the text for one raw symbol name and the loaded objects that a path, file name or pattern means.

    Raises UsageError where no such object is loaded or none of them refers to the symbol.
    """
    paths = process.world.paths
    files = [
        f for f in process.maps if fnmatchcase(paths[f], pattern) or fnmatchcase(paths[f].rpartition("/")[2], pattern)
    ]
    if not files:
        raise UsageError(f"--object {pattern}: no such object is loaded; `abiclash plan` lists what an import loads")
    found = [item for file in files for item in explain(process, file, name_key(symbol))]
    if not found:
        raise UsageError(
            f"--why {symbol}: {pattern} has no relocation against that symbol; give its raw (mangled) name"
        )
    for item in found:
        yield from _text(process, symbol, item)


def _text(process: Process, symbol: str, item: Explanation) -> Iterator[str]:
    paths = process.world.paths
    version = f"@{name(item.version)}" if item.version else " (no version asked for)"
    yield f"{name(paths[item.source])} refers to {name(symbol)}{version}\n"
    scope = None
    for step in item.steps:
        if step.scope != scope:
            scope = step.scope
            yield f"  in the {name(scope)}:\n"
        yield f"    {name(paths[step.file])}\n      {name(step.clause, 1000)}\n"
    if item.passed:
        yield f"  {item.passed} object(s) before the end do not have the name at all\n"
    yield f"  => {name(item.ending, 1000)}\n"

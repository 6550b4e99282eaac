"""Evidence on one suspect: who gets which definition in both runs, along which scope, and what its variables hold."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import LabError
from abiclash.lab.investigate.edits import Symbols
from abiclash.lab.investigate.result import Bound, Scope, Size, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from abiclash.lab.compare import Prediction
    from abiclash.lab.records import Observation
    from abiclash.linker.link_map import LinkMap
    from abiclash.linker.process import Process


def bound(observation: Observation, symbols: Collection[str], shown: Callable[[str], str]) -> tuple[Bound, ...]:
    """Return all references of a run to these symbols, sorted."""
    rows = (row for row in observation.bindings if row.symbol in symbols)
    return tuple(sorted({Bound(shown(row.source), row.symbol, shown(row.target)) for row in rows}))


def scopes(prediction: Prediction, rows: Iterable[tuple[str, str]], shown: Callable[[str], str]) -> tuple[Scope, ...]:
    """Return where look-ups went: for each (object that refers, object that it gets), the objects asked before.

    Paths are real paths. An object whose scope is not known is left out.
    """
    process = prediction.process
    found = []
    for source, target in rows:
        file, wanted = process.world.find(source), process.world.find(target)
        if file is None or wanted is None or file not in process.maps:
            continue
        searched = list(dict.fromkeys(_searched(process, process.maps[file])))
        if wanted in searched:
            asked = searched[: searched.index(wanted) + 1]
            after = len(searched) - len(asked)
            found.append(Scope(shown(source), tuple(shown(process.world.paths[each]) for each in asked), after))
    return tuple(found)


def _searched(process: Process, link: LinkMap) -> Iterable[int]:
    """The files of the scope that the object was bound in (glibc 2.36 elf/dl-lookup.c _dl_lookup_symbol_x)."""
    own = len(link.scope) if link.search_list is None else 2  # later opens append theirs
    for part in link.scope[:own]:
        if part.owner is None:
            yield from process.global_scope[: link.global_seen]
        elif part.alone:
            yield part.owner
        else:
            yield from process.maps[part.owner].search_list or ()


def variables(named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return those of (path of an object, symbol) that are as large as a pointer, and data."""
    found = []
    for path, symbol in named:
        with suppress(LabError, OSError):
            if Symbols(Path(path).read_bytes(), path).is_pointer(symbol):
                found.append((path, symbol))
    return found


def sizes(named: Iterable[tuple[str, str]], shown: Callable[[str], str]) -> tuple[Size, ...]:
    """Return the size of each variable among (path of an object, symbol), sorted."""
    found = set()
    for path, symbol in named:
        with suppress(LabError, OSError):
            size = Symbols(Path(path).read_bytes(), path).data_size(symbol)
            if size is not None:
                found.add(Size(symbol, shown(path), size))
    return tuple(sorted(found))


VALUES = """\
def _values(named):
    import ctypes
    class Info(ctypes.Structure):
        _fields_ = [("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("symbol", ctypes.c_char_p),
                    ("address", ctypes.c_void_p)]
    dladdr = ctypes.CDLL(None).dladdr
    dladdr.argtypes = [ctypes.c_void_p, ctypes.POINTER(Info)]
    for path, symbol in named:
        value = ctypes.c_void_p.in_dll(ctypes.CDLL(path, 4 | 2), symbol).value
        info = Info()
        if value and dladdr(value, ctypes.byref(info)):
            said = (info.file or b"").decode() + "\\t" + (info.symbol or b"").decode()
        else:
            said = "null\\t" if not value else "data\\t"
        print("VALUE\\t%s\\t%s\\t%s" % (path, symbol, said))
"""
"""Python that prints what pointers hold: the object and symbol they point to. RTLD_NOLOAD: nothing is loaded for it."""


def values(
    run: Callable[[list[str]], str],
    before: Iterable[str],
    named: Iterable[tuple[str, str]],
    shown: Callable[[str], str],
) -> tuple[Value, ...]:
    """Return what pointer variables hold after some statements.

    run: runs statements and returns what they print. named: path in the copy, symbol.
    """
    text = run([*before, VALUES, f"_values({list(named)!r})"])
    found = []
    for line in text.splitlines():
        if line.startswith("VALUE\t") and len(parts := line.split("\t")) == 5:
            _, path, symbol, target, function = parts
            found.append(Value(shown(path), symbol, shown(target), function))
    return tuple(found)

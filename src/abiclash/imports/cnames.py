"""Which of an extension module's names are imports that it makes.

What is known, in order of trust: dotted names of modules that exist; single names of modules that exist, where the
module also names something that they define (a single name may as well be an attribute: `readline`, `copy`).
"""

from __future__ import annotations

import builtins
import io
import re
from typing import TYPE_CHECKING, Any

from abiclash.imports.cext import CYTHON, IMPORTS_FUNCTIONS, MYPYC, TABLE, TEXT
from abiclash.imports.values import LIKELY, POSSIBLE, Module

if TYPE_CHECKING:
    from abiclash.imports.expressions import Form
    from abiclash.imports.machine import Machine
    from abiclash.imports.world import Found

_IGNORED = frozenset(("sys", "builtins", "__init__", "__main__", CYTHON, TABLE, TEXT))
FUNCTIONS = "__pyx_capi__"
"""Where a Cython module keeps the functions that others get from C."""
_API = re.compile(r"_?[A-Z][A-Z_]*_API\Z")
_COMMON = frozenset(
    name
    for kind in (str, bytes, dict, list, set, int, complex, io.IOBase, io.TextIOWrapper, builtins)
    for name in dir(kind)
)
"""Names that any object may have: their use says nothing about a module that has them too."""
_CYTHON_RUNTIME = frozenset(("asyncio.coroutines", "collections.abc", "gc", "array", "inspect", "pickle"))
"""Modules that Cython's utility code names in modules that do not import them."""
_CAPSULE = re.compile(r"\.\w*C_?API\Z")
"""How a capsule is named that PyCapsule_Import gets, with the module that holds it."""


def named_imports(machine: Machine, module: Module) -> list[tuple[str, int]]:
    """Return (module, doubt) for what an extension module names among its strings and may import."""
    names = Names(machine.world.strings(module.found.path), module.name)
    kept = {name.rpartition(".")[0]: LIKELY for name in names.all if _CAPSULE.search(name)}
    known = machine.world.top_names() | _sibling_names(machine, names.parent)
    for name in names.all:
        if name.partition(".")[0] not in known or name in _IGNORED or name in names.own:
            continue
        if (names.cython and name in _CYTHON_RUNTIME) or module.name.startswith(name + "."):
            continue
        target, doubt = (_dotted if "." in name else _single)(machine, names, name)
        if target and doubt < POSSIBLE and not _required(machine, module.found.path, target):
            doubt = POSSIBLE
        if target:
            kept[target] = min(doubt, kept.get(target, POSSIBLE))
    if TEXT in names.table:
        kept.update(dict.fromkeys(_siblings_in(machine, names.parent, names.all[-1]), LIKELY))
    kept.pop(module.name, None)
    if not names.cython:
        return list(kept.items())
    # What a module needs from C (cimport) comes first when it is initialised, then its Python statements.
    return sorted(kept.items(), key=lambda entry: entry[0] not in names.everything or not _is_native(machine, entry[0]))


def _required(machine: Machine, path: str, target: str) -> bool:
    """Tell whether a module can be taken to be there for an extension module: it is its own distribution's, or of one
    that this requires, or it is not known. What is not required is imported where it is used, if at all.
    """
    owner = machine.world.owner(path)
    found = machine.world.find(target.partition(".")[0], None)
    if owner is None or found is None or machine.in_library(found.path):
        return True
    other = machine.world.owner(found.path)
    required = machine.world.requires(owner)
    return other is None or other == owner or required is None or other in required


class Names:
    """The names in one extension module. table: those of Cython's string table. own: parts of its own name."""

    def __init__(self, names: tuple[str, ...], module: str) -> None:
        middle = names.index(TABLE) if TABLE in names else len(names)
        self.all = names
        self.table = set(names[middle:])
        self.everything = set(names)
        self.cython = CYTHON in self.everything
        self.apis = {name for name in names if _API.match(name)}
        if IMPORTS_FUNCTIONS in self.everything:
            self.apis.add(FUNCTIONS)
        self.own = set(module.split("."))
        self.top = module.partition(".")[0]
        self.parent = module.rpartition(".")[0]


def _dotted(machine: Machine, names: Names, name: str) -> tuple[str, int]:
    """Judge a dotted name: imported where Cython wrote it, in its own package, or to get a C API from it."""
    top = name.partition(".")[0]
    found = machine.world.find(top, None)
    if found is None or found.kind == "builtin" or (machine.in_library(found.path) and not names.cython):
        return "", POSSIBLE
    sure = names.cython or top == names.top
    target = _existing(machine, name)
    return target, LIKELY if sure or _gives_api(machine, target, names) else POSSIBLE


def _gives_api(machine: Machine, target: str, names: Names) -> bool:
    """Tell whether an extension module gets a table of C functions from the one that it names.

    Both name the table. So does every other user of it: one that in turn names a third module with that table gets it
    there, as the first does.
    """
    shared = names.apis.intersection(_extension_strings(machine, target))
    if shared - {FUNCTIONS}:
        others = {name for name in _extension_strings(machine, target) if "." in name and name in names.everything}
        for other in others - {target}:
            shared -= _extension_strings(machine, other) - {FUNCTIONS}
    return bool(shared)


def table_of_functions(machine: Machine, package: str, names: tuple[str, ...]) -> bool:
    """Tell whether an extension module with these names takes a table of C functions from a package's."""
    tables = [name for name in names if _API.match(name)]
    modules = [name for name in names if name.startswith(f"{package}.")] if tables else []
    return any(not _extension_strings(machine, name).isdisjoint(tables) for name in modules)


def _extension_strings(machine: Machine, name: str) -> set[str]:
    """Return the names in an extension module; none where `name` is no extension module."""
    found = _find(machine, name)
    return set(machine.world.strings(found.path)) if found is not None and found.kind == "extension" else set()


def _is_native(machine: Machine, name: str) -> bool:
    """Tell whether a dotted name is that of an extension module."""
    found = _find(machine, name) if "." in name else None
    return found is not None and found.kind == "extension"


def _find(machine: Machine, name: str) -> Found | None:
    search = None
    found = None
    for depth in range(name.count(".") + 1):
        found = machine.world.find(".".join(name.split(".")[: depth + 1]), search)
        search = found.search if found else None
    return found


def _single(machine: Machine, names: Names, name: str) -> tuple[str, int]:
    """Judge a name without a dot: a top-level module or a sibling, if the extension module also uses its names."""
    found = machine.world.find(name, None)
    if found is not None and found.kind != "builtin":
        library = machine.in_library(found.path)
        if found.kind == "extension" and not library and (name.startswith("_") or name.endswith(MYPYC)):
            return name, LIKELY  # nobody calls anything else so
        if not names.cython:
            return ("" if library else name), POSSIBLE
        pool = names.table if library and names.table else names.everything
        used = name in pool and _uses(machine, found, pool, name, imported=True)
        return (name if used else ""), LIKELY
    if found is None and names.cython and names.parent and (name in names.table or not names.table):
        sibling = _sibling(machine, names.parent, name)
        if sibling is not None and (name.startswith("_") or _uses(machine, sibling, names.everything, name)):
            return sibling.name, LIKELY
    return "", POSSIBLE


def _sibling_names(machine: Machine, parent: str) -> set[str]:
    """Return the names that modules beside an extension module may have."""
    package = machine.modules.get(parent)
    search = package.search if isinstance(package, Module) else None
    return {entry.partition(".")[0] for place in search or () for entry in machine.world.listing(place)}


def _siblings_in(machine: Machine, parent: str, text: str) -> list[str]:
    """Return the modules of a package whose full names are in a text."""
    return sorted(full for name in _sibling_names(machine, parent) if (full := f"{parent}.{name}") in text)


def _existing(machine: Machine, name: str) -> str:
    """Return the longest prefix of a dotted name that names a module; the rest are attributes of it."""
    parts = name.split(".")
    search = None
    for depth in range(1, len(parts) + 1):
        found = machine.world.find(".".join(parts[:depth]), search)
        if found is None:
            return ".".join(parts[: depth - 1])
        if found.search is None:
            return ".".join(parts[:depth])
        search = found.search
    return name


def _sibling(machine: Machine, parent: str, name: str) -> Found | None:
    package = machine.modules.get(parent)
    search = package.search if isinstance(package, Module) else None
    return machine.world.find(f"{parent}.{name}", search) if search else None


def _uses(machine: Machine, found: Found, pool: set[str], name: str, *, imported: bool = False) -> bool:
    """Tell whether the names of an extension module hold one that `found` defines (or `imported`: re-exports).

    What a package's own modules import from the extension module is no sign that it imports them.
    """
    if found.kind == "extension":
        defined = {text for text in machine.world.strings(found.path) if "." not in text}
    elif found.kind in ("package", "module"):
        defined = set(_defined(machine.world.source(found.path).body, imported=imported))
    else:
        return False
    return any(len(text) > 2 and text != name and not text.startswith("_") for text in (defined & pool) - _COMMON)


def _defined(body: list[Form], *, imported: bool) -> list[str]:
    """Return the names that a module's own statements define."""
    names: list[str] = []
    for form in body:
        tag: Any = form[0]
        if tag in ("def", "class"):
            names.append(form[2])
        elif tag == "=":
            names += [target for target in form[2] if isinstance(target, str)]
        elif tag == "f" and imported:
            names += [alias for _, alias in form[4]]
        elif tag == "?":
            names += _defined(form[3], imported=imported) + _defined(form[4], imported=imported)
        elif tag == "try":
            names += _defined(form[2], imported=imported)
    return names

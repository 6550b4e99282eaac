"""Which of an extension module's names are imports that its initialisation makes.

What is known, in order of trust: the .pyx source beside the module, where a wheel brings it; dotted names of modules
that exist; single names of modules that exist, where the module also names something that they define (a single name
may as well be an attribute: `readline`, `copy`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from abiclash.imports.cext import CYTHON, TABLE, TEXT
from abiclash.imports.values import LIKELY, Module

if TYPE_CHECKING:
    from abiclash.imports.expressions import Form
    from abiclash.imports.machine import Machine
    from abiclash.imports.world import Found

_IGNORED = frozenset(("sys", "builtins", "__main__", CYTHON, TABLE, TEXT))
_CYTHON_RUNTIME = frozenset(("asyncio.coroutines", "collections.abc", "gc", "array", "inspect"))
"""Modules that Cython's utility code names in modules that do not import them."""
_CAPSULE = re.compile(r"\.\w*C_?API\Z")
"""How a capsule is named that PyCapsule_Import gets, with the module that holds it."""
_INCLUDE = re.compile(r"""include\s+["']([^"']+)["']""")
_IMPORT = re.compile(r"(?:import|cimport)\s+(.+)")
_FROM = re.compile(r"from\s+(\.*)([\w.]*)\s+c?import\s+(.+)")
_QUOTED = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''", re.DOTALL)
_SKIPPED = re.compile(r"(?:@|(?:cdef|cpdef|def|class|async|ctypedef|for|while|with)\b)")


def c_imports(machine: Machine, module: Module) -> list[tuple[str, int, str, int]]:
    """Return (name, doubt, file, line) of what the initialisation of an extension module imports."""
    path = module.found.path
    directory, _, file = path.rpartition("/")
    source = f"{directory}/{file.partition('.')[0]}.pyx"
    if machine.world.exists(source):
        return pyx_imports(machine, source, module.name)
    return [(name, LIKELY, path, 0) for name in named_imports(machine, module)]


def named_imports(machine: Machine, module: Module) -> list[str]:
    """Return the modules that an extension module names among its strings and probably imports."""
    names = machine.world.strings(module.found.path)
    cython = CYTHON in names
    middle = names.index(TABLE) if TABLE in names else len(names)
    plain, table = set(names[:middle]), set(names[middle:])
    everything = plain | table
    own = set(module.name.split("."))
    parent = module.name.rpartition(".")[0]
    kept = [name.rpartition(".")[0] for name in names if _CAPSULE.search(name)]
    for name in dict.fromkeys(names):
        if name in own or name in _IGNORED or (cython and name in _CYTHON_RUNTIME) or module.name.startswith(name + "."):
            continue
        found = machine.world.find(name.partition(".")[0], None)
        if "." in name:
            if found is not None and found.kind != "builtin" and (cython or not machine.in_library(found.path)):
                kept.append(_existing(machine, name))
            continue
        if found is not None and found.kind != "builtin" and not (machine.in_library(found.path) and not cython):
            pool = everything if not table or not machine.in_library(found.path) else table
            if name in pool and _uses(machine, found, pool, name, imported=True):
                kept.append(name)
        elif found is None and cython and parent and (name in table or not table):
            sibling = _sibling(machine, parent, name)
            if sibling is not None and (name.startswith("_") or _uses(machine, sibling, everything, name)):
                kept.append(sibling.name)
    if TEXT in table:
        kept += _siblings_in(machine, parent, names[-1])
    return [name for name in dict.fromkeys(kept) if name != module.name]


def _siblings_in(machine: Machine, parent: str, text: str) -> list[str]:
    """Return the modules of a package whose full names are in a text."""
    package = machine.modules.get(parent)
    search = package.search if isinstance(package, Module) else None
    names = {entry.partition(".")[0] for place in search or () for entry in machine.world.listing(place)}
    return sorted(full for full in (f"{parent}.{name}" for name in names) if full in text)


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
    return any(len(text) > 2 and text != name and not text.startswith("_") for text in defined & pool)


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


def pyx_imports(machine: Machine, path: str, name: str, depth: int = 0) -> list[tuple[str, int, str, int]]:
    """Return the imports at the top level of a .pyx file and of what it includes.

    A cimport of a module that exists as one imports it too: its types are looked up when the module is initialised.
    """
    tree_text = machine.read_text(path)
    if tree_text is None or depth > 8:
        return []
    found: list[tuple[str, int, str, int]] = []
    skipping = False
    lines = enumerate(_joined(tree_text), 1)
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not line[0].isspace():
            skipping = bool(_SKIPPED.match(text)) or (skipping and text[0] in "),:")
        if skipping:
            continue
        if match := _INCLUDE.match(text):
            found += pyx_imports(machine, f"{path.rpartition('/')[0]}/{match[1]}", name, depth + 1)
        found += [(target, LIKELY, path, number) for target in _targets(text, name)]
    return found


def _joined(text: str) -> list[str]:
    """Return lines with what stands in open brackets or after a backslash on one line (later lines are empty)."""
    lines: list[str] = []
    opened = 0
    start = -1
    for raw in _QUOTED.sub(lambda match: "\n" * match.group().count("\n"), text).splitlines():
        line = raw.split("#")[0].rstrip() if '"' not in raw and "'" not in raw else raw.rstrip()
        if start >= 0:
            lines[start] += " " + line.strip().rstrip("\\")
            lines.append("")
        else:
            lines.append(line.rstrip("\\"))
        opened += line.count("(") - line.count(")")
        continues = opened > 0 or line.endswith("\\")
        start = (start if start >= 0 else len(lines) - 1) if continues else -1
        opened = max(opened, 0)
    return lines


def _targets(text: str, name: str) -> list[str]:
    if match := _FROM.match(text):
        dots, module, names = match[1], match[2], match[3]
        if dots:
            parts = name.split(".")[: -len(dots)]
            module = ".".join([*parts, module] if module else parts)
        items = [item.split(" as ")[0].strip(" ()") for item in names.split(",")]
        return [module, *(f"{module}.{item}" for item in items if item.isidentifier())]
    if match := _IMPORT.match(text):
        return [item.split(" as ")[0].strip() for item in match[1].split(",")]
    return []


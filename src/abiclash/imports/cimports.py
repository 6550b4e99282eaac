"""What extension modules import from C, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.cext import CYTHON
from abiclash.imports.cnames import named_imports, table_of_functions
from abiclash.imports.pyx import pyx_imports
from abiclash.imports.values import LIKELY, Frame, Module, Raised

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine

CImport = tuple[str, int, str, int]
"""An import that C code makes: name, doubt, file, line (0: a string)."""
Waiting = tuple[Module, int, int, list[CImport]]
"""An extension module, the doubts (of its import, of the statement), and what it imports later."""


def import_from_c(machine: Machine, module: Module) -> list[Waiting]:
    """Import what an extension module imports when it is initialised; return what has to wait.

    Functions import modules of their own package when they are called, as a rule. Of what only a string shows, that is
    put off until the package has been imported, which imports most of it itself.
    """
    found = _c_imports(machine, module)
    top = module.name.partition(".")[0]
    names = machine.world.strings(module.found.path)
    unsure = [] if top == module.name else [entry for entry in found if not entry[3]]
    later = [entry for entry in unsure if _waits(machine, entry[0], top, names)]
    _import_named(machine, module, [entry for entry in found if entry not in later])
    return [(module, machine.base, machine.local, later)] if later else []


def catch_up(machine: Machine, package: str) -> None:
    """Import what extension modules of a package wait for, once it has been imported itself."""
    top = machine.modules.get(package)
    if not isinstance(top, Module) or not top.done:
        return
    waiting = [entry for entry in machine.later if entry[0].name.startswith(f"{package}.")]
    machine.later = [entry for entry in machine.later if entry not in waiting]
    outer = machine.base, machine.local, machine.current
    for module, base, local, names in waiting:
        machine.base, machine.local, machine.current = base, local, module
        _import_named(machine, module, names)
    machine.base, machine.local, machine.current = outer


def import_when_called(machine: Machine, module: Module) -> None:
    """Import the private extension modules that one of the library names: its functions import them when called."""
    path = module.found.path
    private = [name for name in machine.world.strings(path) if name.startswith("_") and "." not in name]
    found = [machine.world.find(name, None) for name in private]
    names = [one.name for one in found if one is not None and one.kind == "extension" and machine.in_library(one.path)]
    _import_named(machine, module, [(name, LIKELY, path, 0) for name in names if name != module.name])


def _import_named(machine: Machine, module: Module, names: list[CImport]) -> None:
    saved = machine.local
    for name, doubt, path, line in names:
        frame = Frame(module, module.vars, path, line=line)
        machine.local = max(saved, doubt)
        try:
            machine.load_module(name, frame)
        except Raised:
            continue
        finally:
            machine.local = saved


def _c_imports(machine: Machine, module: Module) -> list[CImport]:
    """Return what the initialisation of an extension module imports; first what unpacks Cython's string table."""
    path = module.found.path
    directory, _, file = path.rpartition("/")
    source = f"{directory}/{file.partition('.')[0]}.pyx"
    names = machine.world.strings(path)
    unpacking = [(name, LIKELY, path, 0) for name in ("zlib", "bz2") if f"{name}.decompress" in names]
    if machine.world.exists(source):
        return unpacking + pyx_imports(machine, source, module.name)
    known = [entry[0] for entry in unpacking]
    return unpacking + [(name, doubt, path, 0) for name, doubt in named_imports(machine, module) if name not in known]


def _waits(machine: Machine, name: str, top: str, names: tuple[str, ...]) -> bool:
    """Tell whether C code that names a module probably imports it when a function needs it; top: of its own package.

    Cython's code imports what it names in full when it is initialised, but for the table of C functions of a package
    that it does not import by itself.
    """
    own = name.startswith(f"{top}.")
    if CYTHON not in names:
        return own
    if own:
        return name not in names
    package = name.partition(".")[0]
    return "." in name and package not in names and table_of_functions(machine, package, names)

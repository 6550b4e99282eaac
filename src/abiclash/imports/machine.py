"""Python's import, played on digests: which modules are executed, in which order, and what they load."""

from __future__ import annotations

import builtins
import re
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed
from abiclash.imports.absent import TAKEN_TO_SUCCEED
from abiclash.imports.builtin import BUILTINS
from abiclash.imports.cimports import Waiting, catch_up, import_from_c, import_when_called
from abiclash.imports.files import normalised
from abiclash.imports.flags import RTLD_NOW
from abiclash.imports.foreign import dlopen, open_library
from abiclash.imports.loads import Loads
from abiclash.imports.natives import native_modules
from abiclash.imports.paths import path_text
from abiclash.imports.values import (
    LIKELY,
    MISSING,
    UNKNOWN,
    Frame,
    Function,
    Instance,
    Module,
    Raised,
    Thing,
    Value,
)
from abiclash.imports.world import Found

if TYPE_CHECKING:
    from abiclash.imports.expressions import Form
    from abiclash.imports.world import ImportWorld


_LOADER = re.compile(r"load|open", re.IGNORECASE)
_LIBRARY = re.compile(r"/[^/]+\.so(\.[0-9.]+)?\Z")


class Machine(Loads):
    """The state of one simulated interpreter."""

    def __init__(self, world: ImportWorld) -> None:
        super().__init__()
        self.world: ImportWorld = world
        self.modules: dict[str, Value] = {}
        self.not_analysed: dict[str, NotAnalysed] = {}
        self.executed: list[tuple[Module, str]] = []  # with the file: a module can execute others in its name
        self.natives = native_modules(world.python, world)
        self.path = list(world.path)
        self.texts = 0  # that exec has got
        self.natives["sys"]["path"] = self.path
        self.later: list[Waiting] = []
        self.used: set[str] = set()  # extension modules of the library whose functions were called
        self.idle = Frame(Module("", Found("", "builtin", ""), 0), {}, "")
        self._places: dict[str, tuple[str, ...]] = {}  # __path__ of packages whose module another object replaced

    # Names and attributes of modules

    def name(self, name: str, frame: Frame) -> Value:
        place: Frame | None = frame
        while place is not None:
            if name in place.vars and name not in place.globals:
                return place.vars[name]
            place = place.outer
        value = frame.module.vars.get(name, MISSING)
        if value is not MISSING:
            return value
        native = BUILTINS.get(name)
        if native is not None:
            return native
        builtin = getattr(builtins, name, None)
        if builtin is None and frame.expected and frame.function is None and not frame.module.open:
            raise Raised("NameError", f"name '{name}' is not defined")
        return builtin if isinstance(builtin, type) and issubclass(builtin, BaseException) else UNKNOWN

    def has_name(self, name: str, frame: Frame) -> bool:
        known = any(name in place for place in (frame.vars, frame.module.vars))
        return known or frame.outer is not None or hasattr(builtins, name)

    def is_library(self, function: Function) -> bool:
        return self.in_library(function.module.found.path)

    def in_library(self, path: str) -> bool:
        """Tell whether a file is the standard library's."""
        stdlib = self.world.python.stdlib
        return stdlib is not None and path.startswith(stdlib + "/") and "-packages/" not in path

    def module_attribute(self, module: Module, name: str) -> Value:
        natives = self.natives.get(module.name)
        if natives is not None and name in natives:
            return natives[name]
        value = module.vars.get(name, MISSING)
        if value is MISSING and name == "__dict__":
            return module.vars
        if value is MISSING and module.found.kind in ("extension", "builtin", "stdlib"):
            return UNKNOWN
        return value

    def lacks(self, module: Module, name: str) -> bool:
        """Tell whether a module surely has no attribute of that name."""
        if not module.done or module.open or module.cls is not None or "__getattr__" in module.vars:
            return False
        return module.found.kind in ("package", "module") and self.module_attribute(module, name) is MISSING

    # The import system

    def load_module(self, name: str, frame: Frame | None) -> Value:
        """Import `name` with its parents and return sys.modules[name]. Raises Raised where it cannot be found."""
        known = self.modules.get(name, MISSING)
        if known is not MISSING:
            if known is None:
                raise Raised("ModuleNotFoundError", f"import of {name} halted; None in sys.modules")
            self.reached(known)
            return known
        parent, _, tail = name.rpartition(".")
        holder: Value = None
        search = None
        if parent:
            holder = self.load_module(parent, frame)
            if name in self.modules:  # the parent has imported it
                return self.load_module(name, frame)
            if isinstance(holder, Module) and holder.found.kind in ("extension", "builtin") and holder.search is None:
                return self._inner_module(name, holder, tail)
            search = self._search(holder, parent)
            if search is None:
                raise Raised("ModuleNotFoundError", f"No module named '{name}'; '{parent}' is not a package")
        found = self.find(name, search)
        if found is None and isinstance(holder, Module) and self._makes_modules(holder):
            return self._inner_module(name, holder, tail)
        if found is None and not parent and normalised(name) in self.world.absent:
            self.not_analysed[name] = NotAnalysed(f"import {name}", TAKEN_TO_SUCCEED)
            return self._inner_module(name, None, tail)
        if found is None:
            raise Raised("ModuleNotFoundError", f"No module named '{name}'")
        self.execute_found(found, frame)
        if self.later:
            catch_up(self, name.partition(".")[0])
        value = self.modules.get(name, UNKNOWN)
        if isinstance(holder, Module):
            holder.vars[tail] = value
        elif isinstance(holder, Instance):
            holder.vars.setdefault(tail, value)
        return value

    def _makes_modules(self, holder: Module) -> bool:
        """Tell whether it may have submodules without a file: by a finder of its own, or as the library's, unread."""
        if holder.found.kind == "stdlib":
            return True
        return holder.found.kind in ("module", "package") and self.world.source(holder.found.path).mentions("meta_path")

    def _inner_module(self, name: str, holder: Module | None, tail: str) -> Module:
        """Return a module of which nothing can be read: another one makes it itself, or its package is not here."""
        inner = self.modules[name] = Module(name, Found(name, "builtin", ""), max(self.base, self.local), done=True)
        if holder is not None:
            holder.vars[tail] = inner
        return inner

    def find(self, name: str, search: tuple[str, ...] | None) -> Found | None:
        """Search for a module, on sys.path as the program has changed it where `search` is None."""
        if search is None and self.path != self.world.path:
            builtin = self.world.find(name, None)
            if builtin is not None and builtin.kind == "builtin":
                return builtin
            return self.world.find(name, [place for place in self.path if isinstance(place, str)])
        return self.world.find(name, search)

    def _search(self, holder: Value, name: str) -> tuple[str, ...] | None:
        """Return a package's __path__. An object that took a module's place in sys.modules hands on the module's."""
        if isinstance(holder, Module):
            return holder.search
        if not isinstance(holder, Instance):
            return ()
        path = self.force(holder.vars.get("__path__", MISSING))
        if path is MISSING and isinstance(getter := self.lookup(holder.cls, "__getattr__"), Function):
            path = self.lazily(getter, [holder, "__path__"], self.idle)
        if isinstance(path, list):
            return tuple(item for item in path if isinstance(item, str))
        above = self.modules.get(name.rpartition(".")[0])
        found = self.find(name, above.search if isinstance(above, Module) else None)
        return (found.search if found is not None else None) or ()

    def execute_found(self, found: Found, frame: Frame | None) -> Module:
        """Execute a module that was found, under its name in sys.modules, as importlib's _load_unlocked does."""
        module = Module(found.name, found, max(self.base, self.local))
        package = found.name if found.search is not None else found.name.rpartition(".")[0]
        module.vars.update({"__name__": found.name, "__package__": package, "__doc__": UNKNOWN, "__spec__": UNKNOWN})
        module.vars["__spec__"] = Thing(
            "spec", found.name, {"name": found.name, "origin": found.path, "parent": package}
        )
        if found.path and found.kind != "namespace":
            module.vars["__file__"] = found.path
        if found.search is not None:
            module.vars["__path__"] = list(found.search)
        self.modules[found.name] = module
        if found.search is not None:
            self._places[found.name] = found.search
        try:
            self.execute_module(module, frame)
        except Raised:
            self.modules.pop(found.name, None)
            raise
        return module

    def execute_module(self, module: Module, frame: Frame | None) -> None:
        """Execute a module's body with its own doubt; its extension module is loaded first where it is one."""
        outer = self.base, self.local, self.current
        self.edge(module)
        self.base, self.local, self.current = max(self.base, self.local), 0, module
        try:
            if module.found.kind == "extension":
                self.base, self.local, self.current = outer
                self.load_extension(module, frame)
                self.base, self.local, self.current = max(self.base, self.local), 0, module
                self.later += import_from_c(self, module)
            elif module.found.kind == "stdlib":
                self._profile_imports(module)
            elif module.found.kind in ("package", "module"):
                self._execute_source(module)
        finally:
            self.base, self.local, self.current = outer
            module.done = True

    def _execute_source(self, module: Module) -> None:
        path = module.found.path
        source = module.source = self.world.source(path)
        if source.error is not None:
            self.not_analysed[path] = NotAnalysed(path, source.error)
            module.open = True
            return
        self.executed.append((module, path))
        try:
            self.block(source.body, Frame(module, module.vars, path))
        except RecursionError:
            self.not_analysed[path] = NotAnalysed(path, "its imports nest too deeply to be followed")
            module.open = True

    def _profile_imports(self, module: Module) -> None:
        frame = Frame(module, module.vars, module.name)
        for name in self.world.python.stdlib_imports(module.name) or ():
            try:
                self.load_module(name, frame)
            except Raised:
                continue

    def read_text(self, path: str) -> str | None:
        """Return the text of a file that is no Python module, None where it cannot be read."""
        return self.world.text(path)

    # sys.modules and os.environ

    def contains(self, table: Value, item: Value) -> bool | None:
        if not isinstance(table, Thing) or not isinstance(item, str):
            return None
        if table.kind == "modules":
            return item in self.modules or item in self.world.python.builtins
        return item in table.items if table.kind == "environ" else None

    def special_subscript(self, base: Value, index: Value) -> Value:
        if isinstance(base, Thing) and isinstance(index, str):
            table = self.modules if base.kind == "modules" else base.items
            return table.get(index, UNKNOWN)
        if isinstance(base, Instance):
            method = self.lookup(base.cls, "__getitem__")
            return UNKNOWN if method is MISSING else self.call(method, [base, index], {}, self.idle)
        return UNKNOWN

    def set_special(self, base: Thing, index: Value, value: Value) -> None:
        if not isinstance(index, str):
            return
        table = self.modules if base.kind == "modules" else base.items
        if value is MISSING:
            table.pop(index, None)
        else:
            table[index] = self.force(value)

    # Libraries that C code opens for a program

    def called_from(self, module: Module) -> None:
        if module.name not in self.used and self.in_library(module.found.path):
            self.used.add(module.name)
            import_when_called(self, module)

    def dlopen(self, args: list[Value], frame: Frame) -> Value:
        return open_library(self, args, {}, frame, "dlopen")

    def handed_over(self, function: Form, value: Value, frame: Frame) -> None:
        name = function[2] if isinstance(function, list) and function[0] == "." else function
        if isinstance(name, str) and _LOADER.search(name):
            path = path_text(self.force(value))
            if path is not None and _LIBRARY.search(path) and self.world.exists(path):
                saved, self.local = self.local, max(self.local, LIKELY)
                dlopen(self, path, RTLD_NOW, frame, name)
                self.local = saved

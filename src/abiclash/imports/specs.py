"""Module specs, finders and loaders of importlib: a program that finds and makes modules step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.files import normalised
from abiclash.imports.paths import path_text
from abiclash.imports.values import UNKNOWN, Frame, Module, Native, Thing, Value
from abiclash.imports.world import Found

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine

Args = list[Value]
Kwargs = dict[str, Value]


def resolve_name(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.util.resolve_name(name, package)."""
    name, package = (machine.force(arg) for arg in (*args, None, None)[:2])
    if not isinstance(name, str):
        return UNKNOWN
    tail = name.lstrip(".")
    if tail == name:
        return name
    parts = package.split(".") if isinstance(package, str) else []
    kept = parts[: len(parts) - (len(name) - len(tail)) + 1]
    return ".".join([*kept, tail] if tail else kept) if kept else UNKNOWN


def find_spec(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.util.find_spec(name): imports the parents, as the real one does."""
    name = machine.force(args[0] if args else kwargs.get("name"))
    if not isinstance(name, str) or name.startswith("."):
        return UNKNOWN
    parent = name.rpartition(".")[0]
    search = None
    if parent:
        holder = machine.load_module(parent, frame)
        search = holder.search if isinstance(holder, Module) else None
    found = machine.find(name, search)
    if found is None and normalised(name) in machine.world.absent:
        return UNKNOWN
    return None if found is None else _spec(found)


def _finder(kinds: tuple[str, ...]) -> Thing:
    """Return one of the finders of sys.meta_path, which finds modules of these kinds."""

    def search(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
        name = machine.force(args[0] if args else kwargs.get("fullname"))
        places = machine.iterate(args[1] if len(args) > 1 else kwargs.get("path", ()))
        if not isinstance(name, str):
            return UNKNOWN
        found = machine.find(name, tuple(place for place in places if isinstance(place, str)) if places else None)
        return _spec(found) if found is not None and found.kind in kinds else None

    return Thing("finder", "", {"find_spec": Native("find_spec", search)})


FINDERS = (_finder(("builtin",)), _finder(()), _finder(("package", "module", "extension", "namespace", "stdlib")))
"""sys.meta_path as CPython sets it: built-in modules, frozen ones, sys.path."""


def _spec(found: Found) -> Thing:
    loader = Thing("loader", found.path, {"name": found.name, "path": found.path})
    spec = Thing(
        "spec", found.name, {"name": found.name, "origin": found.path or None, "loader": loader, "found": found}
    )
    loader.vars["spec"] = spec
    for name in ("exec_module", "create_module", "load_module"):
        loader.vars[name] = Native(name, lambda m, args, _k, frame, name=name: _load_spec(m, name, spec, args, frame))
    spec.vars["submodule_search_locations"] = list(found.search) if found.search is not None else None
    return spec


def spec_from_file(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.util.spec_from_file_location(name, path), and the loaders' own constructors."""
    name = machine.force(args[0] if args else kwargs.get("name", kwargs.get("fullname")))
    path = path_text(machine.force(args[1] if len(args) > 1 else kwargs.get("location", kwargs.get("path"))))
    if not isinstance(name, str) or path is None:
        return UNKNOWN
    extension = path.endswith(machine.world.python.suffixes)
    search = (path.rpartition("/")[0],) if path.endswith("/__init__.py") else None
    return _spec(Found(name, "extension" if extension else "module", path, search))


def file_loader(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.machinery.ExtensionFileLoader(name, path) and SourceFileLoader."""
    spec = spec_from_file(machine, args, kwargs, frame)
    return spec.vars["loader"] if isinstance(spec, Thing) else UNKNOWN


def spec_from_loader(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.util.spec_from_loader(name, loader)."""
    loader = machine.force(args[1]) if len(args) > 1 else UNKNOWN
    return loader.vars.get("spec", UNKNOWN) if isinstance(loader, Thing) else UNKNOWN


def module_from_spec(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.util.module_from_spec: an extension module is opened here, a source module is made empty."""
    spec = machine.force(args[0]) if args else UNKNOWN
    if not isinstance(spec, Thing) or spec.kind != "spec" or "found" not in spec.vars:
        return UNKNOWN
    found: Found = spec.vars["found"]
    module = Module(found.name, found, max(machine.base, machine.local))
    module.vars.update({"__name__": found.name, "__file__": found.path, "__spec__": spec})
    module.vars["__package__"] = found.name if found.search is not None else found.name.rpartition(".")[0]
    if found.search is not None:
        module.vars["__path__"] = list(found.search)
    if found.kind == "extension":
        machine.execute_module(module, frame)
    return module


def _load_spec(machine: Machine, name: str, spec: Thing, args: Args, frame: Frame) -> Value:
    if name == "load_module":
        found: Found = spec.vars["found"]
        return machine.execute_found(found, frame)
    if name == "create_module":
        return module_from_spec(machine, [spec], {}, frame)
    module = machine.force(args[0]) if args else UNKNOWN
    lazy = spec.vars.get("lazy")
    if isinstance(module, Module) and not module.done and not lazy:
        machine.execute_module(module, frame)
    return None


def lazy_loader(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.util.LazyLoader(loader): the module is executed at its first attribute, which is not followed."""
    loader = machine.force(args[0]) if args else UNKNOWN
    if isinstance(loader, Thing) and isinstance(spec := loader.vars.get("spec"), Thing):
        spec.vars["lazy"] = True
    return loader


UTIL: dict[str, Value] = {
    "find_spec": Native("find_spec", find_spec),
    "resolve_name": Native("resolve_name", resolve_name),
    "spec_from_file_location": Native("spec_from_file_location", spec_from_file),
    "spec_from_loader": Native("spec_from_loader", spec_from_loader),
    "module_from_spec": Native("module_from_spec", module_from_spec),
    "LazyLoader": Native("LazyLoader", lazy_loader),
}
MACHINERY: dict[str, Value] = {
    "ExtensionFileLoader": Native("ExtensionFileLoader", file_loader),
    "SourceFileLoader": Native("SourceFileLoader", file_loader),
}

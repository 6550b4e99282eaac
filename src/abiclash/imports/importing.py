"""importlib, pkgutil and exec: imports that a program makes by calling functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.files import normalised
from abiclash.imports.paths import join_path, path_text
from abiclash.imports.source import read_module
from abiclash.imports.values import MISSING, UNKNOWN, Frame, Module, Native, Raised, Thing, Value
from abiclash.imports.world import Found

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine

MAX_TEXT = 10_000
"""Characters of a text that exec gets, beyond which it is not read."""
MAX_TEXTS = 200
"""Texts that exec gets in one plan: a text can execute itself."""
Args = list[Value]
Kwargs = dict[str, Value]


def import_module(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.import_module(name, package)."""
    name = machine.force(args[0] if args else kwargs.get("name"))
    package = machine.force(args[1] if len(args) > 1 else kwargs.get("package"))
    if not isinstance(name, str):
        return UNKNOWN
    if name.startswith("."):
        if not isinstance(package, str):
            return UNKNOWN
        tail = name.lstrip(".")
        parts = package.split(".")
        parts = parts[: len(parts) - (len(name) - len(tail)) + 1]
        name = ".".join([*parts, tail] if tail else parts)
    return machine.load_module(name, frame)


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
    return None if found is None else _spec(found)


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


def load_dynamic(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """imp.load_dynamic(name, path)."""
    spec = spec_from_file(machine, args, {}, frame)
    return machine.execute_found(spec.vars["found"], frame) if isinstance(spec, Thing) else UNKNOWN


def find_module(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
    """imp.find_module(name, path): (file, pathname, description)."""
    name = machine.force(args[0]) if args else UNKNOWN
    places = machine.iterate(args[1] if len(args) > 1 else kwargs.get("path"))
    if not isinstance(name, str):
        return UNKNOWN
    search = None if places is None else tuple(place for place in places if isinstance(place, str))
    found = machine.find(name, search)
    if found is None:
        raise Raised("ImportError", f"No module named '{name}'")
    return (Thing("file"), found.path, UNKNOWN)


def load_found(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """imp.load_module(name, file, pathname, description)."""
    return load_dynamic(machine, [args[0], args[2]], {}, frame) if len(args) > 2 else UNKNOWN


def iter_modules(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
    """pkgutil.iter_modules(path): (finder, name, ispkg), sorted by name as the real one is."""
    paths = machine.iterate(args[0] if args else kwargs.get("path"))
    if paths is None:
        return UNKNOWN
    prefix = machine.force(args[1] if len(args) > 1 else kwargs.get("prefix", ""))
    found: dict[str, bool] = {}
    suffixes = (*machine.world.python.suffixes, ".py")
    for place in paths:
        entries = machine.world.listing(place) if isinstance(place, str) else {}
        for entry, is_directory in sorted(entries.items()):
            name = entry
            for suffix in suffixes:
                name = name.removesuffix(suffix)
            if is_directory and "__init__.py" in machine.world.listing(f"{place}/{entry}"):
                found.setdefault(entry, True)
            elif not is_directory and name not in (entry, "__init__") and "." not in name:
                found.setdefault(name, False)
    return [(UNKNOWN, f"{prefix}{name}", package) for name, package in sorted(found.items())]


def extend_path(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """pkgutil.extend_path(path, name): the package's directories on all of sys.path."""
    path, name = (machine.force(arg) for arg in args[:2]) if len(args) >= 2 else (UNKNOWN, UNKNOWN)
    if not isinstance(path, list) or not isinstance(name, str):
        return path
    places = [f"{place}/{name.replace('.', '/')}" for place in machine.path if isinstance(place, str)]
    return [*path, *(place for place in places if place not in path and machine.world.listing(place))]


def resource_files(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.resources.files(package)."""
    anchor = machine.force(args[0]) if args else frame.module
    module = machine.load_module(anchor, frame) if isinstance(anchor, str) else anchor
    if machine.world.python.version >= (3, 10):
        machine.load_module("importlib.readers", frame)  # SourceFileLoader.get_resource_reader
    search = module.search if isinstance(module, Module) else None
    return Thing("path", search[0]) if search else UNKNOWN


def resource_path(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """importlib.resources.path(package, name)."""
    place = resource_files(machine, args[:1], {}, frame)
    return join_path(place, args[1:]) if isinstance(place, Thing) else UNKNOWN


def distribution_version(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.metadata.version(name): from the names of the .dist-info folders. Raises as the real one does."""
    name = machine.force(args[0]) if args else UNKNOWN
    if not isinstance(name, str):
        return UNKNOWN
    for place in machine.world.path:
        for entry in machine.world.listing(place):
            project, _, version = entry.removesuffix(".dist-info").rpartition("-")
            if entry.endswith(".dist-info") and normalised(project) == normalised(name):
                return version
    raise Raised("PackageNotFoundError", f"no package metadata of {name}")


def execute_text(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    """Exec of a file's text, or of a short one that is known: it is played in the given namespace."""
    text = machine.force(args[0]) if args else UNKNOWN
    names = [machine.force(arg) for arg in args[1:3]]
    table = names[-1] if names and isinstance(names[-1], dict) else frame.vars
    source = None
    path = frame.path
    if isinstance(text, Thing) and text.kind in ("text of", "file"):
        path = text.text
        source = machine.world.source(path)
    elif isinstance(text, str) and len(text) <= MAX_TEXT and machine.texts < MAX_TEXTS:
        machine.texts += 1
        source = read_module(text.encode("utf-8", "replace"), "exec")
    if source is None or source.error is not None:
        frame.module.open = True
        return None
    module = frame.module
    globals_table = names[0] if names and isinstance(names[0], dict) else module.vars
    inner = Module(module.name, module.found, module.doubt, globals_table, source)
    if path != frame.path:
        machine.executed.append((module, path))
    machine.block(source.body, Frame(inner, table, path))
    return None


def _modules_method(name: str) -> Native:
    def run(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
        key = machine.force(args[0]) if args else UNKNOWN
        if name in ("keys", "values", "items", "copy") or not isinstance(key, str):
            return UNKNOWN
        default = args[1] if len(args) > 1 else None
        value = machine.modules.get(key, MISSING)
        if name == "pop":
            machine.modules.pop(key, None)
        if value is MISSING and name == "setdefault":
            machine.modules[key] = default
        return default if value is MISSING else value

    return Native(name, run)


MODULES_METHODS = {
    name: _modules_method(name) for name in ("get", "pop", "setdefault", "keys", "values", "items", "copy")
}


def reload(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """importlib.reload: executes again, which loads nothing new as a rule."""
    return machine.force(args[0]) if args else UNKNOWN


_UTIL: dict[str, Value] = {
    "find_spec": Native("find_spec", find_spec),
    "spec_from_file_location": Native("spec_from_file_location", spec_from_file),
    "spec_from_loader": Native("spec_from_loader", spec_from_loader),
    "module_from_spec": Native("module_from_spec", module_from_spec),
    "LazyLoader": Native("LazyLoader", lazy_loader),
}
MACHINERY: dict[str, Value] = {
    "ExtensionFileLoader": Native("ExtensionFileLoader", file_loader),
    "SourceFileLoader": Native("SourceFileLoader", file_loader),
}
NATIVES: dict[str, dict[str, Value]] = {
    "importlib": {"import_module": Native("import_module", import_module), "reload": Native("reload", reload)},
    "importlib.util": _UTIL,
    "importlib._bootstrap": {name: _UTIL[name] for name in ("module_from_spec", "spec_from_loader")},
    "importlib.metadata": {"version": Native("version", distribution_version)},
    "importlib.resources": {
        "files": Native("files", resource_files),
        "as_file": Native("as_file", lambda _m, args, _k, _f: args[0] if args else UNKNOWN),
        "path": Native("path", resource_path),
    },
    "imp": {
        "load_dynamic": Native("load_dynamic", load_dynamic),
        "find_module": Native("find_module", find_module),
        "load_module": Native("load_module", load_found),
    },
    "_imp": {},
    "pkgutil": {
        "iter_modules": Native("iter_modules", iter_modules),
        "extend_path": Native("extend_path", extend_path),
    },
}

"""importlib, pkgutil and exec: imports that a program makes by calling functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.imports.files import normalised
from abiclash.imports.paths import join_path
from abiclash.imports.source import read_module
from abiclash.imports.specs import UTIL, resolve_name, spec_from_file
from abiclash.imports.values import MISSING, UNKNOWN, Frame, Module, Native, Raised, Thing, Value

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
    absolute = resolve_name(machine, [name, package], {}, frame)
    return machine.load_module(absolute, frame) if isinstance(absolute, str) else UNKNOWN


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


NATIVES: dict[str, dict[str, Value]] = {
    "importlib": {"import_module": Native("import_module", import_module), "reload": Native("reload", reload)},
    "importlib.util": UTIL,
    "importlib._bootstrap": {name: UTIL[name] for name in ("module_from_spec", "spec_from_loader")},
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

"""The interpreter's own modules and functions, as far as they steer what an import loads."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from abiclash.imports import foreign, importing
from abiclash.imports.flags import RTLD
from abiclash.imports.paths import OS_PATH, glob_function, listdir, matches, path_text
from abiclash.imports.values import (
    MISSING,
    UNKNOWN,
    Bound,
    Class,
    Function,
    Instance,
    Module,
    Native,
    Super,
    Thing,
    Value,
    Wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from abiclash.imports.machine import Machine
    from abiclash.imports.values import Frame
    from abiclash.imports.world import ImportWorld, Python

_FLAGS = ("debug", "optimize", "interactive", "isolated", "verbose", "dev_mode", "ignore_environment", "gil", "no_site")
Args = list[Value]
Kwargs = dict[str, Value]


def _constant(value: Value) -> Native:
    return Native("constant", lambda _m, _a, _k, _f: value)


def _version_info(python: Python) -> Value:
    return (*python.version, "final", 0)


def native_modules(python: Python, world: ImportWorld) -> dict[str, dict[str, Value]]:
    """Return module -> attribute -> value, for one plan (sys.path and os.environ can be changed by it)."""
    environ = Thing("environ", items={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": UNKNOWN})
    values = environ.items
    environ.vars = {
        "get": Native("get", lambda m, a, _k, _f: values.get(_text(m, a), a[1] if len(a) > 1 else None)),
        "setdefault": Native("setdefault", lambda m, a, _k, _f: values.setdefault(_text(m, a), a[-1])),
        "pop": Native("pop", lambda m, a, _k, _f: values.pop(_text(m, a), a[1] if len(a) > 1 else UNKNOWN)),
    }
    dotted = ".".join(map(str, python.version))
    system: dict[str, Value] = {
        "platform": "linux",
        "version_info": Thing("version_info"),
        "version": f"{dotted} (main)",
        "hexversion": python.version[0] << 24 | python.version[1] << 16 | python.version[2] << 8 | 0xF0,
        "maxsize": (1 << 63) - 1 if _is_64_bit(python.machine) else (1 << 31) - 1,
        "byteorder": "big" if python.machine.startswith(("s390", "ppc64be")) else "little",
        "implementation": Thing("namespace", "", {"name": "cpython", "cache_tag": f"cpython-{python.version[0]}{python.version[1]}"}),
        "modules": Thing("modules", "", importing.MODULES_METHODS),
        "setdlopenflags": Native("setdlopenflags", foreign.set_flags),
        "getdlopenflags": Native("getdlopenflags", lambda m, _a, _k, _f: m.flags),
        "prefix": python.prefix,
        "base_prefix": python.prefix,
        "exec_prefix": python.prefix,
        "executable": python.executable,
        "builtin_module_names": tuple(sorted(python.builtins)),
        "platlibdir": "lib",
        "argv": [""],
        "gettrace": _constant(None),
        "flags": Thing("namespace", "", dict.fromkeys(_FLAGS, 0)),
        "meta_path": UNKNOWN,
        "dont_write_bytecode": False,
        "getfilesystemencoding": _constant("utf-8"),
    }
    system["version_info"] = _version_info(python)
    os_names: dict[str, Value] = {
        "name": "posix", "sep": "/", "pathsep": ":", "curdir": ".", "pardir": "..", "extsep": ".", "altsep": None,
        "linesep": "\n", "devnull": "/dev/null", "environ": environ, "getenv": environ.vars["get"],
        "listdir": Native("listdir", listdir), "fspath": Native("fspath", _fspath),
        "uname": UNKNOWN, **RTLD,
    }  # fmt: skip
    platform: dict[str, Value] = {
        "system": _constant("Linux"), "machine": _constant(python.machine), "python_version": _constant(dotted),
        "python_implementation": _constant("CPython"), "architecture": _constant(("64bit", "ELF")),
        "python_version_tuple": _constant(tuple(map(str, python.version))), "mac_ver": _constant(("", ("", "", ""), "")),
        "platform": UNKNOWN, "processor": _constant(UNKNOWN), "release": _constant(UNKNOWN), "libc_ver": _constant(UNKNOWN),
    }  # fmt: skip
    suffix = python.suffixes[0] if python.suffixes else ".so"
    variables: dict[str, Value] = {"EXT_SUFFIX": suffix, "SOABI": suffix.strip(".").removesuffix(".so"), "Py_GIL_DISABLED": 0, "Py_DEBUG": 0}
    purelib = next((place for place in reversed(world.path) if place.endswith("-packages")), UNKNOWN)
    sysconfig: dict[str, Value] = {
        "get_config_var": Native("get_config_var", lambda _m, a, _k, _f: variables.get(a[0], UNKNOWN) if a and isinstance(a[0], str) else UNKNOWN),
        "get_config_vars": _constant(UNKNOWN),
        "get_path": Native("get_path", lambda _m, a, _k, _f: purelib if a and a[0] in ("purelib", "platlib") else UNKNOWN),
        "get_paths": _constant({"purelib": purelib, "platlib": purelib}),
        "get_platform": _constant(f"linux-{python.machine}"),
    }
    site: dict[str, Value] = {
        "getsitepackages": _constant([purelib]), "getusersitepackages": _constant(UNKNOWN), "ENABLE_USER_SITE": False,
    }  # fmt: skip
    return {
        "sys": system,
        "os": os_names,
        "posix": {name: os_names[name] for name in ("listdir",)},
        "posixpath": dict(OS_PATH),
        "os.path": dict(OS_PATH),
        "platform": platform,
        "sysconfig": sysconfig,
        "site": site,
        "glob": {"glob": Native("glob", glob_function), "iglob": Native("iglob", glob_function)},
        "fnmatch": {"fnmatch": Native("fnmatch", matches), "fnmatchcase": Native("fnmatchcase", matches)},
        "pathlib": {name: Native(name, _path) for name in ("Path", "PurePath", "PosixPath", "PurePosixPath")},
        "functools": {"partial": Native("partial", _partial)},
        "contextlib": {
            "suppress": Native("suppress", _suppress),
            "contextmanager": Native("contextmanager", _contextmanager),
        },
        "warnings": {name: _constant(None) for name in ("warn", "filterwarnings", "simplefilter", "warn_explicit")},
        "re": {name: _constant(UNKNOWN) for name in ("compile", "match", "search", "sub", "findall", "split", "escape", "fullmatch")},
        "copy": {"copy": Native("copy", _copy), "deepcopy": Native("deepcopy", _copy)},
        "collections": {"namedtuple": _constant(UNKNOWN)},
        "logging": {"getLogger": _constant(UNKNOWN), "basicConfig": _constant(None)},
        **importing.NATIVES,
        "importlib.machinery": {
            **importing.MACHINERY,
            "EXTENSION_SUFFIXES": list(python.suffixes),
            "SOURCE_SUFFIXES": [".py"],
            "BYTECODE_SUFFIXES": [".pyc"],
            "all_suffixes": _constant([".py", ".pyc", *python.suffixes]),
        },
        **foreign.NATIVES,
    }


def _text(machine: Machine, args: Args) -> str:
    value = machine.force(args[0]) if args else None
    return value if isinstance(value, str) else ""


def _is_64_bit(machine: str) -> bool:
    return machine.endswith("64") or machine in ("s390x", "ppc64le", "aarch64")


def _fspath(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    text = path_text(machine.force(args[0])) if args else None
    return UNKNOWN if text is None else text


def _path(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    texts = [path_text(machine.force(arg)) for arg in args]
    if not texts or any(text is None for text in texts):
        return UNKNOWN
    return Thing("path", os.path.join(*(text for text in texts if text is not None)))  # noqa: PTH118 - text only


def _partial(_machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
    return Bound(args[0], args[1:], kwargs) if args else UNKNOWN


def _contextmanager(_machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    """Return a function that gives a context, whose `as` is what the generator yields first."""
    generator = args[0] if args else UNKNOWN

    def enter(machine: Machine, inner: Args, kwargs: Kwargs, frame: Frame) -> Value:
        return Thing("context", "", {"yields": machine.call(generator, inner, kwargs, frame)})

    return Bound(Native("context", enter), [])


def _suppress(_machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    names = [arg.__name__ if isinstance(arg, type) else getattr(arg, "name", "?") for arg in args]
    return Thing("suppress", "", {"names": names})


# Builtins


def _import(machine: Machine, args: Args, kwargs: Kwargs, frame: Frame) -> Value:
    name = machine.force(args[0]) if args else kwargs.get("name")
    if not isinstance(name, str):
        return UNKNOWN
    level = kwargs.get("level", args[4] if len(args) > 4 else 0)
    names = machine.force(kwargs.get("fromlist", args[3] if len(args) > 3 else ()))
    absolute = machine.absolute(level if isinstance(level, int) else 0, name, frame)
    module = machine.load_module(absolute, frame)
    if not names:
        return machine.load_module(absolute.partition(".")[0], frame)
    for wanted in machine.iterate(names) or []:
        if isinstance(wanted, str):
            machine.from_module(module, absolute, wanted, frame)
    return module


def _getattr(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) < 2:
        return UNKNOWN
    base, name = machine.force(args[0]), machine.force(args[1])
    if not isinstance(name, str):
        return UNKNOWN
    if len(args) > 2 and isinstance(base, Module) and machine.lacks(base, name):
        return args[2]
    return machine.attribute(base, name, frame)


def _setattr(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    base = machine.force(args[0]) if args else UNKNOWN
    if len(args) == 3 and isinstance(name := machine.force(args[1]), str):
        machine.set_attribute(base, name, args[2])
    elif isinstance(base, Module):
        base.open = True
    return None


def _hasattr(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) != 2:
        return UNKNOWN
    base, name = machine.force(args[0]), machine.force(args[1])
    if not isinstance(name, str):
        return UNKNOWN
    if isinstance(base, Module):
        value = machine.module_attribute(base, name)
        if value is not MISSING and value is not UNKNOWN:
            return True
        real: Mapping[str, object] | None = {"sys": vars(sys), "os": vars(os)}.get(base.name)
        if real is not None:
            return name in real  # Linux's own, of the Python that runs abiclash: the names differ little by version
        if machine.lacks(base, name):
            return False
        return True if name in base.vars else UNKNOWN
    if isinstance(base, Instance | Class):
        value = machine.attribute(base, name, frame)
        return UNKNOWN if value is UNKNOWN else True
    if isinstance(base, str | int | dict | list | tuple):
        return hasattr(base, name)
    return UNKNOWN


def _globals(_machine: Machine, _args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    return frame.module.vars


def _locals(_machine: Machine, _args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    return frame.vars


def _vars(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    base = machine.force(args[0]) if args else None
    if base is None:
        return frame.vars
    return base.vars if isinstance(base, Module | Instance | Class) else UNKNOWN


def _super(_machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    place: Frame | None = frame
    while place is not None and (place.function is None or place.function.cls is None):
        place = place.outer
    if place is None or place.function is None or place.function.cls is None:
        return UNKNOWN
    names = place.function.source.function(place.function.index)[0][0]
    instance = place.vars.get(names[0], UNKNOWN) if names else UNKNOWN
    return Super(place.function.cls, instance)


def _plain(call: Callable[..., Value]) -> Native:
    """Wrap a harmless builtin that needs known plain arguments."""

    def run(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
        known = [machine.force(arg) for arg in args]
        if kwargs or any(not isinstance(arg, str | int | float | tuple | list | dict | set | frozenset) for arg in known):
            return UNKNOWN
        if any(arg is UNKNOWN for values in known if isinstance(values, tuple | list) for arg in values):
            return UNKNOWN
        try:
            return call(*known)
        except (TypeError, ValueError, OverflowError):
            return UNKNOWN

    return Native(getattr(call, "__name__", "builtin"), run)


def _iterated(make: Callable[[list[Value]], Value]) -> Native:
    def run(machine: Machine, args: Args, kwargs: Kwargs, _frame: Frame) -> Value:
        if kwargs and set(kwargs) != {"key"}:
            return UNKNOWN
        items = machine.iterate(args[0]) if args else []
        try:
            return UNKNOWN if items is None else make(items)
        except TypeError:
            return UNKNOWN

    return Native("iterated", run)


def _str(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else ""
    text = path_text(value)
    return text if text is not None else str(value) if isinstance(value, int) else UNKNOWN


def _bool(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    truth = machine.truth(args[0]) if args else False
    return UNKNOWN if truth is None else truth


def _range(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    known = [machine.force(arg) for arg in args]
    if not known or not all(isinstance(arg, int) for arg in known):
        return UNKNOWN
    try:
        numbers = range(*known)
    except (TypeError, ValueError):
        return UNKNOWN
    return list(numbers) if len(numbers) <= 20_000 else UNKNOWN


def _quantified(stop: bool) -> Native:
    def run(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
        items = machine.iterate(args[0]) if args else None
        if items is None:
            return UNKNOWN
        truths = [machine.truth(item) for item in items]
        return stop if stop in truths else UNKNOWN if None in truths else not stop

    return Native("any" if stop else "all", run)


def _map(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[1]) if len(args) == 2 else None
    return UNKNOWN if items is None else [machine.call(args[0], [item], {}, frame) for item in items[:2000]]


def _filter(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    items = machine.iterate(args[1]) if len(args) == 2 else None
    if items is None:
        return UNKNOWN
    test = machine.force(args[0])
    kept = [(item, machine.truth(item if test is None else machine.call(test, [item], {}, frame))) for item in items[:2000]]
    return UNKNOWN if any(truth is None for _, truth in kept) else [item for item, truth in kept if truth]


def _copy(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else UNKNOWN
    return value.copy() if isinstance(value, list | dict | set) else value


def _zip(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    columns = [machine.iterate(arg) for arg in args]
    known = [column for column in columns if column is not None]
    return list(zip(*known, strict=False)) if len(known) == len(columns) else UNKNOWN


def _isinstance(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    if len(args) != 2:
        return UNKNOWN
    value = machine.force(args[0])
    kinds = args[1] if isinstance(args[1], tuple) else (args[1],)
    names = [kind.name if isinstance(kind, Native) else None for kind in kinds]
    if isinstance(value, str | int | tuple | list | dict | set) and None not in names:
        return type(value).__name__ in names
    return UNKNOWN


def _type(machine: Machine, args: Args, _kwargs: Kwargs, frame: Frame) -> Value:
    if len(args) == 3:
        bases, table = machine.force(args[1]), machine.force(args[2])
        if isinstance(bases, tuple) and isinstance(table, dict) and isinstance(args[0], str):
            return Class(args[0], list(bases), table, frame.module)
    value = machine.force(args[0]) if args else UNKNOWN
    return value.cls if isinstance(value, Instance) else UNKNOWN


def _callable(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else UNKNOWN
    return True if isinstance(value, Function | Class | Native | Bound) else UNKNOWN


def _wrapper(kind: str) -> Native:
    return Native(kind, lambda _m, args, _k, _f: Wrapped(kind, args[0]) if args else UNKNOWN)


def _open(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    text = path_text(machine.force(args[0])) if args else None
    return UNKNOWN if text is None else Thing("file", text, {"read": _constant(Thing("text of", text))})


BUILTINS: dict[str, Value] = {
    "__import__": Native("__import__", _import),
    "getattr": Native("getattr", _getattr),
    "setattr": Native("setattr", _setattr),
    "hasattr": Native("hasattr", _hasattr),
    "globals": Native("globals", _globals),
    "locals": Native("locals", _locals),
    "vars": Native("vars", _vars),
    "super": Native("super", _super),
    "len": _plain(len),
    "int": _plain(int),
    "min": _plain(min),
    "max": _plain(max),
    "abs": _plain(abs),
    "bool": Native("bool", _bool),
    "str": Native("str", _str),
    "range": Native("range", _range),
    "tuple": Native("tuple", _iterated(tuple).call),
    "list": Native("list", _iterated(list).call),
    "set": Native("set", _iterated(set).call),
    "frozenset": _iterated(frozenset),
    "sorted": _iterated(lambda items: sorted(items)),
    "reversed": _iterated(lambda items: items[::-1]),
    "enumerate": _iterated(lambda items: list(enumerate(items))),
    "dict": Native("dict", lambda m, a, k, _f: _dict(m, a, k)),
    "any": _quantified(stop=True),
    "all": _quantified(stop=False),
    "map": Native("map", _map),
    "zip": Native("zip", _zip),
    "filter": Native("filter", _filter),
    "isinstance": Native("isinstance", _isinstance),
    "type": Native("type", _type),
    "callable": Native("callable", _callable),
    "staticmethod": _wrapper("staticmethod"),
    "classmethod": _wrapper("classmethod"),
    "property": _wrapper("property"),
    "open": Native("open", _open),
    "compile": Native("compile", lambda _m, args, _k, _f: args[0] if args else UNKNOWN),
    "exec": Native("exec", importing.execute_text),
    "__debug__": True,
}


def _dict(machine: Machine, args: Args, kwargs: Kwargs) -> Value:
    table: dict[Value, Value] = {}
    if args:
        base = machine.force(args[0])
        if isinstance(base, dict):
            table.update(base)
        else:
            pairs = machine.iterate(base)
            if pairs is None:
                return UNKNOWN
            for pair in pairs:
                if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str | int | tuple):
                    table[pair[0]] = pair[1]
    table.update(kwargs)
    return table

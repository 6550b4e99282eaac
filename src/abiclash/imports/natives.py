"""The interpreter's own modules and functions, as far as they steer what an import loads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from abiclash.imports import foreign, frames, importing, specs
from abiclash.imports.flags import RTLD
from abiclash.imports.paths import OS_PATH, glob_function, listdir, matches, path_text
from abiclash.imports.values import UNKNOWN, Bound, Native, Thing, Value, constant

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine
    from abiclash.imports.values import Frame
    from abiclash.imports.world import ImportWorld, Python

_FLAGS = ("debug", "optimize", "interactive", "isolated", "verbose", "dev_mode", "ignore_environment", "gil", "no_site")
Args = list[Value]
Kwargs = dict[str, Value]


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
        "implementation": Thing(
            "namespace", "", {"name": "cpython", "cache_tag": f"cpython-{python.version[0]}{python.version[1]}"}
        ),
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
        "gettrace": constant(None),
        "flags": Thing("namespace", "", dict.fromkeys(_FLAGS, 0)),
        "_getframe": frames.GETFRAME,
        "meta_path": [*specs.FINDERS],
        "dont_write_bytecode": False,
        "getfilesystemencoding": constant("utf-8"),
    }
    system["version_info"] = _version_info(python)
    os_names: dict[str, Value] = {
        "name": "posix", "sep": "/", "pathsep": ":", "curdir": ".", "pardir": "..", "extsep": ".", "altsep": None,
        "linesep": "\n", "devnull": "/dev/null", "environ": environ, "getenv": environ.vars["get"],
        "listdir": Native("listdir", listdir), "fspath": Native("fspath", _fspath),
        "path": Thing("namespace", "", dict(OS_PATH)), "uname": UNKNOWN, **RTLD,
    }  # fmt: skip
    platform: dict[str, Value] = {
        "system": constant("Linux"), "machine": constant(python.machine), "python_version": constant(dotted),
        "python_implementation": constant("CPython"), "architecture": constant(("64bit", "ELF")),
        "python_version_tuple": constant(tuple(map(str, python.version))),
        "mac_ver": constant(("", ("", "", ""), "")),
        "platform": UNKNOWN, "release": UNKNOWN, "libc_ver": UNKNOWN,
        "processor": constant(""),  # `uname -p` says "unknown" on Debian and Ubuntu, which becomes ""
    }  # fmt: skip
    suffix = python.suffixes[0] if python.suffixes else ".so"
    variables: dict[str, Value] = {
        "EXT_SUFFIX": suffix,
        "SOABI": suffix.strip(".").removesuffix(".so"),
        "Py_GIL_DISABLED": 0,
        "Py_DEBUG": 0,
    }
    purelib = next((place for place in reversed(world.path) if place.endswith("-packages")), UNKNOWN)
    sysconfig: dict[str, Value] = {
        "get_config_var": Native(
            "get_config_var",
            lambda _m, a, _k, _f: variables.get(a[0], UNKNOWN) if a and isinstance(a[0], str) else UNKNOWN,
        ),
        "get_config_vars": constant(UNKNOWN),
        "get_path": Native(
            "get_path", lambda _m, a, _k, _f: purelib if a and a[0] in ("purelib", "platlib") else UNKNOWN
        ),
        "get_paths": constant({"purelib": purelib, "platlib": purelib}),
        "get_platform": constant(f"linux-{python.machine}"),
    }
    site: dict[str, Value] = {
        "getsitepackages": constant([purelib]), "getusersitepackages": constant(UNKNOWN), "ENABLE_USER_SITE": False,
    }  # fmt: skip
    return {
        "sys": system,
        "os": os_names,
        "posix": {name: os_names[name] for name in ("listdir",)},
        "posixpath": dict(OS_PATH),
        "os.path": dict(OS_PATH),
        "typing": {"TYPE_CHECKING": False},
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
        "warnings": {name: constant(None) for name in ("warn", "filterwarnings", "simplefilter", "warn_explicit")},
        "re": {
            name: constant(UNKNOWN)
            for name in ("compile", "match", "search", "sub", "findall", "split", "escape", "fullmatch")
        },
        "copy": {"copy": Native("copy", _copy), "deepcopy": Native("deepcopy", _copy)},
        "collections": {"namedtuple": constant(UNKNOWN)},
        "logging": {"getLogger": constant(UNKNOWN), "basicConfig": constant(None)},
        **importing.NATIVES,
        "importlib.machinery": {
            **specs.MACHINERY,
            "EXTENSION_SUFFIXES": list(python.suffixes),
            "SOURCE_SUFFIXES": [".py"],
            "BYTECODE_SUFFIXES": [".pyc"],
            "all_suffixes": constant([".py", ".pyc", *python.suffixes]),
        },
        **foreign.NATIVES,
        **frames.NATIVES,
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


def _copy(machine: Machine, args: Args, _kwargs: Kwargs, _frame: Frame) -> Value:
    value = machine.force(args[0]) if args else UNKNOWN
    return value.copy() if isinstance(value, list | dict | set) else value

"""Run inside the observed interpreter, before the program: note each dlopen that Python code asks for.

Works on CPython 3.6 and newer, and imports nothing that is not built in: it must not load a library of its own.
`record(path)` makes the interpreter write one line for each call, the repr of
(path, flags, extension module or None, module that asks, its file, its line). An extension module that imports from
C, while it is initialised, asks as itself, at line 0.
"""

import _imp
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RTLD_NOW = 2


def record(path: str) -> None:
    """Watch `_imp.create_dynamic` (extension modules) and `_ctypes.dlopen`."""
    out = open(path, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115, PTH123 - stays open; no pathlib
    create, execute = _imp.create_dynamic, _imp.exec_dynamic

    def note(name: str, flags: int, module: "str | None") -> None:
        out.write(repr((name, flags, module) + asker(sys._getframe(2))) + "\n")  # noqa: SLF001, RUF005 - 3.6
        out.flush()

    def asker(frame: "Any") -> "tuple[str, str, int]":
        while frame is not None:
            if frame.f_code is create_dynamic.__code__:
                return (str(frame.f_locals["spec"].name), str(frame.f_locals["spec"].origin), 0)
            if frame.f_code is exec_dynamic.__code__:
                module = frame.f_locals["module"]
                return (module.__name__, str(module.__file__), 0)
            name = str(frame.f_globals.get("__name__"))
            if "importlib" not in frame.f_code.co_filename and name != "ctypes":
                return (name, frame.f_code.co_filename, frame.f_lineno)
            frame = frame.f_back
        return ("", "", 0)

    def create_dynamic(spec: "Any", *rest: "Any") -> "Any":
        note(str(spec.origin), sys.getdlopenflags(), spec.name)
        return create(spec, *rest)

    def exec_dynamic(module: "Any") -> "Any":
        result = execute(module)
        if module.__name__ == "_ctypes":
            watch(module)
        return result

    def watch(module: "Any") -> None:
        load = module.dlopen

        def dlopen(name: "Any", flags: int = 0) -> "Any":
            if name is not None:
                shown = name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name)
                note(shown, flags | RTLD_NOW, None)  # Modules/_ctypes/callproc.c py_dl_open adds it
            return load(name, flags)

        module.dlopen = dlopen

    _imp.create_dynamic, _imp.exec_dynamic = create_dynamic, exec_dynamic

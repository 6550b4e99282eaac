"""Steps that all makers of shipped profiles share: reading an interpreter, moving it to another prefix, writing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.sources.interpreter import locate, read_interpreter
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.profile_build import ProfileBuilder, stdlib_document
from abiclash.sources.profiles import SHIPPED
from abiclash.sources.stdlib_imports import StdlibSource

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.sources.host_profile import Interpreter
    from abiclash.sources.profile_file import Loaded

PREFIX = "/usr/local"


def read_python(python: Path, machine: str) -> Interpreter:
    """Return the interpreter whose executable `python` is."""
    return read_interpreter(locate(python), LiveFiles(), (), machine)


def stdlib_of(folder: Path, interpreter: Interpreter) -> dict[str, list[str]]:
    """Return module -> imported modules of the standard library in a folder."""
    known = {*interpreter.builtins, *interpreter.extensions}
    return stdlib_document(StdlibSource(folder, known.__contains__))


def moved(path: str, prefix: str, new: str = PREFIX) -> str:
    """Return a path below `prefix` as one below `new`; others stay."""
    return new + path.removeprefix(prefix) if path.startswith(prefix) else path


def moved_object(loaded: Loaded, prefix: str) -> Loaded:
    """An object whose run path names the new prefix."""
    facts, names = loaded
    paths = {name: getattr(facts, name) for name in ("rpath", "runpath")}
    changed = {name: value and value.replace(prefix, PREFIX) for name, value in paths.items()}
    return replace(facts, path=moved(facts.path, prefix), **changed), names


def rebased(interpreter: Interpreter, prefix: str, new: str) -> Interpreter:
    """An interpreter whose every path begins with `new` instead of `prefix`."""
    return replace(
        interpreter,
        executable=moved(interpreter.executable, prefix, new),
        libpython=interpreter.libpython and moved(interpreter.libpython, prefix, new),
        stdlib_path=moved(interpreter.stdlib_path, prefix, new),
        site_packages=moved(interpreter.site_packages, prefix, new),
        extensions={name: moved(path, prefix, new) for name, path in interpreter.extensions.items()},
    )


def write_shipped(builder: ProfileBuilder, name: str) -> Path:
    """Write a profile into the package and return its path."""
    SHIPPED.mkdir(exist_ok=True)
    path = SHIPPED / f"{name}.profile"
    builder.write(path)
    return path

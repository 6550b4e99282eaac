"""pathlib's pure paths and os.path's functions, on known texts and the files that the world knows."""

from __future__ import annotations

import fnmatch
import posixpath
from typing import TYPE_CHECKING

from abiclash.imports.values import UNKNOWN, Native, Thing, Value
from abiclash.imports.world import glob

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.imports.machine import Machine
    from abiclash.imports.values import Frame


def path_text(value: Value) -> str | None:
    """Return the text of a str or path, None where it is not known."""
    if isinstance(value, Thing) and value.kind == "path":
        return value.text
    return value if isinstance(value, str) else None


def join_path(base: Thing, parts: list[Value]) -> Value:
    """Return base / part / ..."""
    texts = [path_text(part) for part in parts]
    if any(text is None for text in texts):
        return UNKNOWN
    return Thing("path", posixpath.join(base.text, *(text for text in texts if text is not None)))


def path_attribute(path: Thing, name: str) -> Value:
    """Return an attribute of a pathlib.Path."""
    text = path.text
    head, tail = posixpath.split(text.rstrip("/"))
    stem, suffix = posixpath.splitext(tail)
    simple = {"parent": Thing("path", head or "/"), "name": tail, "stem": stem, "suffix": suffix}
    if name in simple:
        return simple[name]
    if name == "parents":
        parents: list[Value] = []
        while text not in ("/", ""):
            text = posixpath.dirname(text)
            parents.append(Thing("path", text))
        return parents
    if name == "parts":
        return tuple(text.split("/"))
    call = _PATH_METHODS.get(name)
    return UNKNOWN if call is None else Native(name, lambda m, args, _k, _f: call(m, path, args))


def _same(_machine: Machine, path: Thing, _args: list[Value]) -> Value:
    return Thing("path", posixpath.normpath(path.text))


def _glob(machine: Machine, path: Thing, args: list[Value]) -> Value:
    pattern = args[0] if args else None
    if not isinstance(pattern, str):
        return UNKNOWN
    return [Thing("path", found) for found in glob(machine.world, f"{path.text}/{pattern}")]


def _rglob(machine: Machine, path: Thing, args: list[Value]) -> Value:
    return _glob(machine, path, [f"**/{args[0]}"]) if args and isinstance(args[0], str) else UNKNOWN


def _iterdir(machine: Machine, path: Thing, _args: list[Value]) -> Value:
    return [Thing("path", f"{path.text}/{name}") for name in sorted(machine.world.listing(path.text))]


def _with_name(_machine: Machine, path: Thing, args: list[Value]) -> Value:
    if not args or not isinstance(args[0], str):
        return UNKNOWN
    return Thing("path", posixpath.join(posixpath.dirname(path.text), args[0]))


def _with_suffix(_machine: Machine, path: Thing, args: list[Value]) -> Value:
    if not args or not isinstance(args[0], str):
        return UNKNOWN
    return Thing("path", posixpath.splitext(path.text)[0] + args[0])


def _text(_machine: Machine, path: Thing, _args: list[Value]) -> Value:
    return path.text


def _known(value: bool | None) -> Value:
    return UNKNOWN if value is None else value


def is_directory(machine: Machine, path: str) -> bool | None:
    """Tell whether a path is a directory; None outside of what the world knows."""
    exists = machine.world.exists(path)
    if not exists:
        return exists
    if machine.world.listing(path):
        return True
    head, tail = posixpath.split(posixpath.normpath(path))
    return machine.world.listing(head).get(tail, False)


def is_file(machine: Machine, path: str) -> bool | None:
    """Tell whether a path is a file; None outside of what the world knows."""
    exists = machine.world.exists(path)
    return exists and not is_directory(machine, path)


_PATH_METHODS: dict[str, Callable[[Machine, Thing, list[Value]], Value]] = {
    "absolute": _same,
    "resolve": _same,
    "expanduser": _same,
    "glob": _glob,
    "rglob": _rglob,
    "iterdir": _iterdir,
    "joinpath": lambda _m, path, args: join_path(path, args),
    "with_name": _with_name,
    "with_suffix": _with_suffix,
    "__enter__": lambda _m, path, _a: path,
    "as_posix": _text,
    "__str__": _text,
    "__fspath__": _text,
    "exists": lambda m, path, _a: _known(m.world.exists(path.text)),
    "is_dir": lambda m, path, _a: _known(is_directory(m, path.text)),
    "is_file": lambda m, path, _a: _known(is_file(m, path.text)),
    "open": lambda _m, path, _a: Thing("file", path.text),
    "read_text": lambda _m, path, _a: Thing("text of", path.text),
    "read_bytes": lambda _m, path, _a: Thing("text of", path.text),
}


def _os_path(name: str, machine: Machine, args: list[Value], _kwargs: dict[str, Value], _frame: Frame) -> Value:
    texts = [path_text(machine.force(arg)) for arg in args]
    if not texts or any(text is None for text in texts):
        return UNKNOWN
    known = [text for text in texts if text is not None]
    first = known[0]
    if name in ("exists", "lexists"):
        return _known(machine.world.exists(first))
    if name == "isdir":
        return _known(is_directory(machine, first))
    if name == "isfile":
        return _known(is_file(machine, first))
    if name in ("abspath", "realpath"):
        return posixpath.normpath(first) if first.startswith("/") else UNKNOWN
    if name == "expanduser":
        return UNKNOWN if first.startswith("~") else first
    if name in ("relpath", "commonpath") and not all(text.startswith("/") for text in known):
        return UNKNOWN
    return getattr(posixpath, name)(*known)


OS_PATH = {
    name: Native(name, lambda m, args, kwargs, frame, name=name: _os_path(name, m, args, kwargs, frame))
    for name in (
        "join", "dirname", "basename", "abspath", "realpath", "normpath", "split", "splitext", "exists", "lexists",
        "isfile", "isdir", "isabs", "expanduser", "relpath", "normcase",
    )
}  # fmt: skip


def glob_function(machine: Machine, args: list[Value], _kwargs: dict[str, Value], _frame: Frame) -> Value:
    """glob.glob of an absolute pattern, sorted (the real order is that of the directory)."""
    pattern = path_text(machine.force(args[0])) if args else None
    return glob(machine.world, pattern) if pattern is not None and pattern.startswith("/") else UNKNOWN


def listdir(machine: Machine, args: list[Value], _kwargs: dict[str, Value], _frame: Frame) -> Value:
    """os.listdir of a directory that the world knows, sorted."""
    text = path_text(machine.force(args[0])) if args else None
    if text is None or not machine.world.exists(text):
        return UNKNOWN
    return sorted(machine.world.listing(text))


def matches(_machine: Machine, args: list[Value], _kwargs: dict[str, Value], _frame: Frame) -> Value:
    """fnmatch.fnmatch of known texts."""
    if len(args) == 2 and isinstance(args[0], str) and isinstance(args[1], str):
        return fnmatch.fnmatchcase(args[0], args[1])
    return UNKNOWN

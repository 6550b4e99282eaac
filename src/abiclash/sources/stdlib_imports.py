"""What modules of the standard library import by themselves, read from their source with `ast`."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_STARTUP = (
    *(
        "__main__",
        "_frozen_importlib",
        "_frozen_importlib_external",
        "_imp",
        "_signal",
        "_thread",
        "_warnings",
        "_weakref",
    ),
    *(
        "abc",
        "builtins",
        "codecs",
        "encodings.utf_8",
        "io",
        "marshal",
        "os.path",
        "posix",
        "site",
        "sys",
        "time",
        "zipimport",
    ),
)
"""What `Py_Initialize` itself imports (CPython Python/pylifecycle.c, Lib/importlib/_bootstrap.py); the rest follows."""

_NOT_HERE = {"win32", "darwin", "nt", "ios", "android", "cygwin", "wasi", "emscripten", "cli", "vxworks", "java"}


def imported_names(source: bytes, module: str, *, package: bool) -> tuple[str, ...]:
    """Return the dotted names that the top-level code of a module imports, each once, in order.

    `from a import b` gives `a` and `a.b`, of which the second may be no module. Both arms of a condition count, apart
    from tests for another operating system, `__name__ == "__main__"` and TYPE_CHECKING; handlers of `try` do not,
    its `else` and `finally` do. Source that does not parse imports nothing.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    names: list[str] = []
    for node in _executed(tree.body):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (base := _absolute(node, module, package)):
            names.append(base)
            names.extend(f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
    return tuple(dict.fromkeys(names))


def _executed(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when the module does, outermost first, without function bodies."""
    for node in body:
        yield node
        if isinstance(node, ast.If):
            if not _elsewhere(node.test):
                yield from _executed(node.body)
            yield from _executed(node.orelse)
        elif isinstance(node, ast.Try):
            yield from _executed([*node.body, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With | ast.ClassDef | ast.For | ast.While):
            yield from _executed(node.body)


def _elsewhere(test: ast.expr) -> bool:
    """Tell whether a condition surely fails at import on Linux."""
    if isinstance(test, ast.Name | ast.Attribute):
        return (test.id if isinstance(test, ast.Name) else test.attr) == "TYPE_CHECKING"
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Attribute) and test.func.attr == "startswith":
        return bool(test.args) and isinstance(test.args[0], ast.Constant) and test.args[0].value in _NOT_HERE
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq | ast.In):
        sides = [test.left, test.comparators[0]]
        values = {side.value for side in sides if isinstance(side, ast.Constant)}
        return bool(values & {"__main__", *_NOT_HERE})
    return False


def _absolute(node: ast.ImportFrom, module: str, package: bool) -> str:
    if not node.level:
        return node.module or ""
    parents = module.split(".")
    keep = len(parents) - node.level + package
    if keep <= 0:
        return ""
    return ".".join([*parents[:keep], *([node.module] if node.module else [])])


_NO_LIBRARY = {"__pycache__", "test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo"}


class StdlibSource:
    """The standard library in a directory: finds a module's source and what it imports, each read once."""

    def __init__(self, root: Path, known: Callable[[str], bool]) -> None:
        """`root`: the stdlib directory. `known`: whether a name is a builtin or extension module."""
        self._root = root
        self._known = known
        self._found: dict[str, tuple[str, ...] | None] = {}

    def __call__(self, module: str) -> tuple[str, ...] | None:
        """Return the modules of this library that `module` imports; None where it has no source here."""
        if module not in self._found:
            self._found[module] = self._read(module)
        return self._found[module]

    def modules(self) -> list[str]:
        """Return the dotted names of all modules with source, without tests and what is installed beside them."""
        names: list[str] = []
        for folder, below, files in os.walk(self._root):
            below[:] = [name for name in below if name.isidentifier() and name not in _NO_LIBRARY]
            parts = Path(folder).relative_to(self._root).parts
            stems = (name.removesuffix(".py") for name in files if name.endswith(".py"))
            paths = (parts if stem == "__init__" else (*parts, stem) for stem in stems if stem.isidentifier())
            names.extend(".".join(path) for path in paths if path)
        return sorted(names)

    def _read(self, module: str) -> tuple[str, ...] | None:
        path, package = self._source(module)
        if path is None:
            return None
        try:
            source = path.read_bytes()
        except OSError:
            return None
        return tuple(name for name in imported_names(source, module, package=package) if self._exists(name))

    def _source(self, module: str) -> tuple[Path | None, bool]:
        stem = self._root.joinpath(*module.split("."))
        if (package := stem / "__init__.py").is_file():
            return package, True
        plain = stem.with_name(stem.name + ".py")
        return (plain, False) if plain.is_file() else (None, False)

    def _exists(self, name: str) -> bool:
        return self._known(name) or self._source(name)[0] is not None


def closure(starts: Iterable[str], imports: Callable[[str], Sequence[str] | None]) -> tuple[str, ...]:
    """Return every module that importing `starts` executes, parents of packages included, sorted."""
    seen: set[str] = set()
    waiting = list(starts)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting.extend(imports(module) or ())
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return tuple(sorted(seen))


def startup_closure(imports: Callable[[str], Sequence[str] | None]) -> tuple[str, ...]:
    """Return the modules that are imported before any user code runs, as far as the source tells.

    What .pth files and sitecustomize import is not among them.
    """
    return closure(_STARTUP, imports)

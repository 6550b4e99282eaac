"""Where an installer puts the files of a wheel, and which names become importable by that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DATA = re.compile(
    r"(?P<distribution>[^/]+?)-[^/-]+\.data/(?P<scheme>purelib|platlib|scripts|data|headers)/(?P<rest>.+)"
)
_EXTENSION = re.compile(r"(?P<module>[^.]+)(\.[A-Za-z0-9_-]+)*\.so")


def installed_path(member: str) -> str:
    """Return the path, relative to site-packages, at which a wheel's member is installed.

    Files of `*.data` go to the scheme that their folder names (binary distribution format, "The .data directory");
    what leaves site-packages is told as in RECORD, for the usual lib/pythonX.Y/site-packages. The folder of
    headers depends on the installer; include/<distribution> stands for it.
    """
    match = _DATA.fullmatch(member) if ".data/" in member else None
    if match is None:
        return member
    rest = match["rest"]
    return {
        "purelib": rest,
        "platlib": rest,
        "scripts": f"../../../bin/{rest}",
        "data": f"../../../{rest}",
        "headers": f"../../../include/{match['distribution']}/{rest}",
    }[match["scheme"]]


def module_name(path: str) -> str | None:
    """Return the dotted name of the module that an installed file is, or None for other files.

    A package's `__init__` gives the package. The suffix of an extension module is not judged here: which ones an
    interpreter takes depends on the interpreter.
    """
    *packages, file = path.split("/")
    stem = file.removesuffix(".py")
    if stem == file:
        match = _EXTENSION.fullmatch(file)
        if match is None:
            return None
        stem = match["module"]
    parts = [*packages, stem] if stem != "__init__" else packages
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def importable(paths: Iterable[str], top_level: str) -> tuple[str, ...]:
    """Return the importable top-level names among installed paths, sorted.

    top_level: content of top_level.txt, which wins over guessing as far as its names exist (only some build backends
    write it, and some of them name folders that were not packaged). A shared library that lies beside Python modules as
    `lib*.so` does not make a name importable.
    """
    found: set[str] = set()
    plain: set[str] = set()
    for path in paths:
        name = module_name(path)
        if name is None:
            continue
        top = name.partition(".")[0]
        found.add(top)
        if not path.rpartition("/")[2].startswith("lib") or path.endswith(".py"):
            plain.add(top)
    stated = {line.partition("/")[0] for line in top_level.split()}
    return tuple(sorted(stated & found or plain))

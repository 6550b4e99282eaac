"""A CPython on disk, understood from its files: nothing of it is run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import SourceError
from abiclash.sources.host_profile import Interpreter
from abiclash.sources.stdlib_imports import StdlibSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.facts.model import ObjectFacts
    from abiclash.sources.live_files import LiveFiles

_MINOR = re.compile(r"python(\d+\.\d+)")
_WITHOUT_INIT = frozenset({"_warnings", "builtins", "marshal", "sys"})
"""Builtin modules that have no PyInit_ function of their own (CPython Modules/config.c.in)."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an interpreter lives. base: prefix of the installation. environment: its virtual environment, if any."""

    executable: Path
    version: str
    base: Path
    environment: Path | None


def locate(python: Path) -> Installation:
    """Return the installation that an interpreter's path (or an environment's folder) belongs to.

    A virtual environment is known by its pyvenv.cfg (PEP 405), the prefix by lib/pythonX.Y/os.py
    (CPython Modules/getpath.py). Raises SourceError when there is none.
    """
    named = python / "bin" / "python" if python.is_dir() else python
    executable = Path(named.resolve())
    if not executable.is_file():
        raise SourceError(f"{python}: no interpreter there; name a Python executable or a virtual environment")
    settings = _pyvenv(named.absolute().parent.parent)
    environment = named.absolute().parent.parent if settings else None
    prefixes = [executable.parent.parent]
    if "home" in settings:
        prefixes.append(Path(settings["home"]).resolve().parent)
    for base in prefixes:
        versions = [path.parent.name.removeprefix("python") for path in sorted(base.glob("lib/python3.*/os.py"))]
        if match := _MINOR.search(executable.name):
            versions = [version for version in versions if version == match[1]]
        elif len(versions) > 1:
            told = settings.get("version", settings.get("version_info", ""))
            versions = [version for version in versions if told.startswith(version + ".")]
        if len(versions) == 1:
            return Installation(executable, versions[0], base, environment)
    raise SourceError(
        f"{python}: its standard library (lib/python3.*/os.py) was not found beside {executable}; "
        "name the interpreter itself, not a wrapper script"
    )


def _pyvenv(folder: Path) -> Mapping[str, str]:
    try:
        text = (folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def read_interpreter(found: Installation, files: LiveFiles, search: Sequence[str], machine: str) -> Interpreter:
    """Return what a scan needs to know of an installed interpreter.

    search: directories where ld.so would look for libpython after its run path. Raises SourceError when the
    executable is not a readable ELF file.
    """
    facts = files.object(str(found.executable))
    if facts is None:
        raise SourceError(f"{found.executable}: not an ELF executable; name the interpreter itself, not a wrapper")
    libpython = _libpython(found, facts, files, search)
    stdlib = found.base / "lib" / f"python{found.version}"
    suffixes, extensions = _extensions(stdlib / "lib-dynload", found.version, machine)
    code = [str(found.executable), *([libpython] if libpython else [])]
    builtins = _builtins(code, files)
    source = StdlibSource(stdlib, lambda name: name in builtins or name in extensions)
    return Interpreter(
        version=found.version,
        release=_release(code, found.version),
        executable=str(found.executable),
        libpython=libpython,
        suffixes=suffixes,
        stdlib_path=str(stdlib),
        site_packages=str(_site_packages(found)),
        extensions=extensions,
        builtins=builtins,
        stdlib_imports=source,
    )


def _libpython(found: Installation, facts: ObjectFacts, files: LiveFiles, search: Sequence[str]) -> str | None:
    """The libpython that the executable needs, where ld.so finds it (run path with $ORIGIN, then `search`)."""
    needed = next((name for name in facts.needed if name.startswith("libpython")), None)
    if needed is None:
        return None
    origin = str(found.executable.parent)
    run_path = (facts.runpath or facts.rpath or "").replace("${ORIGIN}", origin).replace("$ORIGIN", origin)
    for directory in [*filter(None, run_path.split(":")), *search, str(found.base / "lib")]:
        if (real := files.realpath(f"{directory}/{needed}")) is not None:
            return real
    raise SourceError(f"{found.executable}: needs {needed}, which was not found; set LD_LIBRARY_PATH as for running it")


def _extensions(folder: Path, version: str, machine: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Suffixes of extension modules, and the standard library's own: module name -> canonical path."""
    tag = version.replace(".", "")
    own = re.compile(rf"[^.]+(\.cpython-{tag}[a-z]*(?:-[^.]+)?\.so)")
    files = sorted(path for path in folder.glob("*.so"))
    tally = Counter(match[1] for path in files if (match := own.fullmatch(path.name)))
    flags = "m" if version in {"3.5", "3.6", "3.7"} else ""
    soabi = tally.most_common(1)[0][0] if tally else f".cpython-{tag}{flags}-{machine}-linux-gnu.so"
    return (soabi, ".abi3.so", ".so"), {path.name.partition(".")[0]: str(path.resolve()) for path in files}


def _builtins(code: Sequence[str], files: LiveFiles) -> frozenset[str]:
    """Modules compiled into the interpreter, by their exported PyInit_ functions."""
    names = set(_WITHOUT_INIT)
    for path in code:
        if (loaded := files.read(path)) is None:
            continue
        symbols, table = loaded[0].symbols, loaded[1]
        text = (table.name(int(row)) for row in symbols.shndx.nonzero()[0])
        names.update(name[7:].decode("utf-8", "surrogateescape") for name in text if name.startswith(b"PyInit_"))
    if "_imp" not in names:  # CPython 3.6 calls its function PyInit_imp
        names = names - {"imp"} | {"_imp"}
    return frozenset(names)


def _release(code: Sequence[str], version: str) -> str:
    """PY_VERSION as it stands among the strings of the interpreter; the minor version where it is not found."""
    pattern = re.compile(rb"(?<![\w.-])(" + re.escape(version).encode() + rb"\.\d+(?:(?:a|b|rc)\d+)?\+?)[\0 ]")
    for path in reversed(code):
        if match := pattern.search(Path(path).read_bytes()):
            return match[1].decode()
    return version


def _site_packages(found: Installation) -> Path:
    """Where wheels go: the environment's site-packages, the prefix's, or Debian's directory for local installs."""
    plain = (found.environment or found.base) / "lib" / f"python{found.version}" / "site-packages"
    debian = Path(f"/usr/local/lib/python{found.version}/dist-packages")
    return plain if found.environment or plain.is_dir() or not debian.is_dir() else debian

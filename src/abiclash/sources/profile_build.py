"""Making a profile file from a system's files: of this machine, or unpacked in a directory."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from abiclash.errors import SourceError
from abiclash.sources.links import canonical
from abiclash.sources.profile_file import write_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from abiclash.sources.host_profile import Interpreter
    from abiclash.sources.live_files import LiveFiles
    from abiclash.sources.loader import Loader
    from abiclash.sources.profile_file import Loaded
    from abiclash.sources.stdlib_imports import StdlibSource

COMMON_LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2"),
    *(
        "libnsl.so.1",
        "libanl.so.1",
        "libmvec.so.1",
        "libstdc++.so.6",
        "libgcc_s.so.1",
        "libatomic.so.1",
        "libgomp.so.1",
    ),
    *("libz.so.1", "libexpat.so.1", "libuuid.so.1", "libcrypt.so.1"),
    *("libGL.so.1", "libX11.so.6", "libXext.so.6", "libXrender.so.1", "libICE.so.6", "libSM.so.6"),
    *("libglib-2.0.so.0", "libgobject-2.0.so.0", "libgthread-2.0.so.0"),
)
"""What manylinux wheels may take from a host (PEP 513, 571, 599 and auditwheel's policies), and GCC's run-time."""


class ProfileBuilder:
    """Collects objects and settings, and writes them. Objects added in one call are kept as one group."""

    def __init__(self) -> None:
        self._groups: list[list[Loaded]] = []
        self._count = 0
        self._host: dict[str, Any] | None = None
        self._interpreters: list[dict[str, Any]] = []
        self._documents: dict[str, Any] = {}

    def add_group(self, objects: Mapping[str, Loaded]) -> dict[str, int]:
        """Add objects by path; returns their numbers."""
        numbers = {path: self._count + place for place, path in enumerate(objects)}
        self._groups.append([(replace(facts, path=path), names) for path, (facts, names) in objects.items()])
        self._count += len(objects)
        return numbers

    def set_host(
        self, name: str, machine: str, loader: Loader, found: Libraries, provenance: Sequence[str], **settings: Any
    ) -> None:
        """Describe the host and add its libraries, each to be read alone. settings: as the header keeps them."""
        files: dict[str, int] = {}
        for path in found.objects:
            files |= self.add_group({path: found.objects[path]})
        self._host = {
            "name": name,
            "machine": machine,
            "libc": loader.libc,
            "libc_version": loader.version,
            "lib": loader.lib,
            "default_dirs": loader.system_dirs,
            "cache": found.cache,
            "links": found.links,
            "files": files,
            "provenance": list(provenance),
            **settings,
        }

    def add_interpreter(
        self,
        interpreter: Interpreter,
        *,
        machine: str,
        libc: str,
        variant: str,
        files: Mapping[str, int],
        cache: Mapping[str, str],
        stdlib: str,
    ) -> None:
        """Describe an interpreter whose objects were added. stdlib: name of the document with its modules' imports."""
        self._interpreters.append(
            {
                "version": interpreter.version,
                "release": interpreter.release,
                "variant": variant,
                "machine": machine,
                "libc": libc,
                "executable": interpreter.executable,
                "libpython": interpreter.libpython,
                "suffixes": interpreter.suffixes,
                "stdlib_path": interpreter.stdlib_path,
                "site_packages": interpreter.site_packages,
                "extensions": dict(interpreter.extensions),
                "builtins": sorted(interpreter.builtins),
                "provenance": interpreter.provenance,
                "files": dict(files),
                "links": {},
                "cache": {soname: [path] for soname, path in cache.items()},
                "stdlib": stdlib,
            }
        )

    def add_document(self, name: str, document: Any) -> None:
        """Add a JSON document."""
        self._documents[name] = document

    def write(self, path: Path) -> None:
        """Write the file. Raises SourceError where that is not possible."""
        header = {"host": self._host, "interpreters": self._interpreters}
        write_profile(path, header, self._groups, self._documents)


@dataclass(frozen=True, slots=True)
class Libraries:
    """A host's libraries.

    cache: soname -> paths where it was found. links: symbolic links on the way. objects: by canonical path.
    missing: sonames that are nowhere.
    """

    cache: dict[str, list[str]]
    links: dict[str, str]
    objects: dict[str, Loaded]
    missing: tuple[str, ...]


def collect_libraries(
    files: LiveFiles, names: Iterable[str], find: Callable[[str], Iterable[str]], paths: Iterable[str]
) -> Libraries:
    """Return the libraries behind sonames and all that they need.

    find: the paths where a soname may be, best first. paths: further files by path (the dynamic linker).
    """
    links: dict[str, str] = {}

    def link(path: str) -> str | None:
        target = files.link(path)
        if target is not None:
            links[path] = target
        return target

    cache: dict[str, list[str]] = {}
    objects: dict[str, Loaded] = {}
    missing: list[str] = []
    waiting: deque[str] = deque(names)
    for path in paths:
        _add(files, path, link, objects)
    seen: set[str] = set()
    while waiting:
        name = waiting.popleft()
        if name in seen:
            continue
        seen.add(name)
        found = next((path for path in find(name) if _add(files, path, link, objects)), None)
        if found is None:
            missing.append(name)
            continue
        cache[name] = [found]
        waiting.extend(objects[str(canonical(found, link))][0].needed)
    kept = {path: objects[path] for path in sorted(objects)}
    return Libraries(dict(sorted(cache.items())), links, kept, tuple(missing))


def _add(files: LiveFiles, path: str, link: Callable[[str], str | None], objects: dict[str, Loaded]) -> bool:
    """Add the object at a path, if there is one."""
    real = canonical(path, link)
    loaded = None if real is None or files.realpath(real) is None else files.read(real)
    if real is None or loaded is None:
        return False
    objects[real] = loaded
    return True


def interpreter_objects(interpreter: Interpreter, files: LiveFiles) -> dict[str, Loaded]:
    """Return the objects of an interpreter by path: executable, libpython, extension modules.

    Raises SourceError for one that cannot be read.
    """
    code = [interpreter.executable, *([interpreter.libpython] if interpreter.libpython else [])]
    objects: dict[str, Loaded] = {}
    for path in [*code, *sorted(interpreter.extensions.values())]:
        loaded = files.read(path)
        if loaded is None:
            raise SourceError(f"{path}: a file of the interpreter that cannot be read as ELF; repair that Python")
        objects[path] = loaded
    return objects


def stdlib_document(source: StdlibSource) -> dict[str, list[str]]:
    """Return module -> imported modules for a whole standard library."""
    return {name: list(source(name) or ()) for name in source.modules()}

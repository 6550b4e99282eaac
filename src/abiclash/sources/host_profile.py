"""Host profiles: what a wheel does not bring (interpreter, C library, libstdc++ ...) and where ld.so looks for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from abiclash.sources import tunables
from abiclash.sources.loader import legacy_subdirectories
from abiclash.sources.stdlib_imports import startup_closure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import ObjectFacts
    from abiclash.sources.loader import Processor


class HostFiles(Protocol):
    """The files of a host: of this machine, or as kept in a profile file."""

    def realpath(self, path: str) -> str | None:
        """Return the canonical path of an existing regular file with all symbolic links resolved, or None."""

    def object(self, realpath: str) -> ObjectFacts | None:
        """Return the facts of the ELF file at a canonical path.

        None when there is no such file, when it is not ELF, or when a profile knows only that it exists.
        """

    def names(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the symbol names behind keys, of those objects that were asked for so far."""


class StdlibImports(Protocol):
    """What the modules of the standard library import when they are executed."""

    def __call__(self, module: str) -> tuple[str, ...] | None:
        """Return the dotted names that the module's top-level code imports, in order; None for unknown modules."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython: the executable of the process, and the extension modules of its standard library.

    version: "3.11". release: "3.11.7". executable: canonical path. libpython: canonical path when the executable
    needs a shared libpython, else None ("static" variant). suffixes: of extension modules, in importlib's order.
    stdlib_path, site_packages: directories. extensions: module name -> canonical path (lib-dynload).
    builtins: modules inside the executable or libpython. provenance: where the facts come from.
    """

    version: str
    release: str
    executable: str
    libpython: str | None
    suffixes: tuple[str, ...]
    stdlib_path: str
    site_packages: str
    extensions: Mapping[str, str]
    builtins: frozenset[str]
    stdlib_imports: StdlibImports
    provenance: tuple[str, ...] = ()

    @property
    def startup_modules(self) -> tuple[str, ...]:
        """Modules that are imported before any user code runs, as far as the library's source tells; sorted."""
        return startup_closure(self.stdlib_imports)

    @property
    def variant(self) -> str:
        """Return "static" when the executable itself exports the C API, else "shared"."""
        return "static" if self.libpython is None else "shared"


@dataclass(frozen=True, slots=True)
class HostProfile:
    """One host, as the dynamic linker sees it.

    name: "debian-12", "live" or the name in a captured file. libc: "glibc" or "musl"; libc_version: (2, 36).
    machine: as in platform tags. lib, processor.platform: what $LIB and $PLATFORM stand for. cache: ld.so.cache,
    soname -> paths of the right ABI, the one that ld.so takes first. default_dirs: ld.so's own, searched last.
    library_path, preload: LD_LIBRARY_PATH and LD_PRELOAD. tunables: without the `glibc.` prefix.
    dynamic_weak: LD_DYNAMIC_WEAK is set. provenance: package names and versions.
    """

    name: str
    libc: str
    libc_version: tuple[int, int]
    machine: str
    lib: str
    processor: Processor
    cache: Mapping[str, tuple[str, ...]]
    default_dirs: tuple[str, ...]
    tunables: Mapping[str, int]
    files: HostFiles
    interpreter: Interpreter
    library_path: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    dynamic_weak: bool = False
    provenance: tuple[str, ...] = ()
    not_analysed: tuple[NotAnalysed, ...] = field(default=())

    @property
    def platform(self) -> str:
        """What $PLATFORM stands for."""
        return self.processor.platform

    @property
    def hwcaps(self) -> tuple[str, ...]:
        """Active subdirectories of glibc-hwcaps/, in priority order."""
        return self.processor.hwcaps

    @property
    def subdirectories(self) -> tuple[str, ...]:
        """What ld.so tries below each search directory before the directory itself, in order.

        glibc elf/dl-hwcaps.c `_dl_important_hwcaps`: glibc-hwcaps/*, then (before 2.37) the older combinations.
        """
        if self.libc != "glibc":
            return ()
        named = tuple(f"glibc-hwcaps/{name}" for name in self.processor.hwcaps)
        return named + legacy_subdirectories(self.processor, self.libc_version)

    @property
    def static_tls_surplus(self) -> int:
        """Bytes set aside for initial-exec TLS of objects that come by dlopen (0 for musl: it refuses none)."""
        return tunables.static_tls_surplus(self.tunables, self.libc_version) if self.libc == "glibc" else 0

    def realpath(self, path: str) -> str | None:
        """Return the canonical path of an existing file on this host, or None."""
        return self.files.realpath(path)

    def object(self, realpath: str) -> ObjectFacts | None:
        """Return the facts of the ELF file at a canonical path (see `HostFiles.object`)."""
        return self.files.object(realpath)

    def names(self, keys: Iterable[int]) -> dict[int, bytes]:
        """Return the symbol names behind keys, of those objects that were asked for so far."""
        return self.files.names(keys)

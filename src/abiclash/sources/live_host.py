"""This machine as a host profile."""

from __future__ import annotations

import os
import platform
import posixpath
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed, SourceError
from abiclash.sources import ldconfig
from abiclash.sources.host_profile import HostProfile
from abiclash.sources.interpreter import locate, read_interpreter
from abiclash.sources.live_files import LiveFiles
from abiclash.sources.loader import Loader, Processor, generic_processor, read_loader, this_processor
from abiclash.sources.tunables import parse_tunables

if TYPE_CHECKING:
    from collections.abc import Mapping

_CACHE = Path("/etc/ld.so.cache")
_MACHINES = {"arm64": "aarch64", "i386": "i686", "i586": "i686", "armv8l": "armv7l"}


def live(python: Path | None = None, environ: Mapping[str, str] = os.environ) -> HostProfile:
    """Return this machine's profile, with the interpreter `python` (an executable or a virtual environment).

    Without one, with the interpreter that runs abiclash. Nothing is run but the machine's own dynamic linker, once,
    for its view of the processor. environ: read for LD_LIBRARY_PATH, LD_PRELOAD, LD_DYNAMIC_WEAK and GLIBC_TUNABLES.
    Raises SourceError when the interpreter or the C library cannot be understood.
    """
    files = LiveFiles()
    found = locate(python or Path(sys.executable))
    facts = files.object(str(found.executable))
    ld_so = files.realpath(facts.interp) if facts is not None and facts.interp else None
    if ld_so is None:
        raise SourceError(f"{found.executable}: names no dynamic linker that exists here; name another interpreter")
    machine = _MACHINES.get(platform.machine(), platform.machine())
    entries, problems = _read_cache()
    loader, processor = _loader(Path(ld_so), entries, machine)
    cache = ldconfig.select(entries, machine, processor.hwcaps) if loader.libc == "glibc" else ldconfig.LdCache({})
    library_path = _directories(environ.get("LD_LIBRARY_PATH", ""))
    search = [
        *library_path,
        *dict.fromkeys(posixpath.dirname(paths[0]) for paths in cache.values()),
        *loader.system_dirs,
    ]
    return HostProfile(
        name="live",
        libc=loader.libc,
        libc_version=loader.version,
        machine=machine,
        lib=loader.lib,
        processor=processor,
        cache=cache,
        default_dirs=loader.system_dirs,
        tunables=parse_tunables(environ.get("GLIBC_TUNABLES", "")),
        files=files,
        interpreter=read_interpreter(found, files, search, machine),
        library_path=library_path,
        preload=tuple(environ.get("LD_PRELOAD", "").replace(":", " ").split()),
        dynamic_weak="LD_DYNAMIC_WEAK" in environ,
        not_analysed=tuple(problems),
    )


def _read_cache() -> tuple[list[ldconfig.CacheEntry], list[NotAnalysed]]:
    """Entries of ld.so.cache; an absent or broken one is passed over, as ld.so does."""
    try:
        return ldconfig.parse(_CACHE.read_bytes(), str(_CACHE)), []
    except FileNotFoundError:
        return [], []
    except (OSError, SourceError) as error:
        return [], [NotAnalysed(str(_CACHE), f"{error} (passed over, as ld.so does)")]


def _loader(ld_so: Path, entries: list[ldconfig.CacheEntry], machine: str) -> tuple[Loader, Processor]:
    """Constants of the dynamic linker and its libc, and its view of the processor."""
    bare = ldconfig.select(entries, machine, ()) if entries else {}
    beside = ld_so.parent / "libc.so.6"
    paths = [Path(path) for path in bare.get("libc.so.6", ())] + [beside, ld_so]
    libc = next(path for path in paths if path.is_file())
    if ld_so.name.startswith("ld-musl"):
        libc = ld_so
    loader = read_loader(ld_so.read_bytes(), libc.read_bytes(), str(ld_so))
    if loader.libc == "musl":
        return loader, generic_processor(machine, loader.version)
    return loader, this_processor(ld_so, machine, loader.version)


def _directories(text: str) -> tuple[str, ...]:
    """LD_LIBRARY_PATH: `:` or `;` separate (glibc elf/dl-load.c _dl_init_paths); an empty element is here."""
    return tuple(text.replace(";", ":").split(":")) if text else ()

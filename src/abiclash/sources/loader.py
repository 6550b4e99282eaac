"""What a dynamic linker has compiled in, read from the bytes of ld.so and libc without running them."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from abiclash.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DIRECTORIES = re.compile(rb"(?:/[\w.+/-]+/\0)+")
_BANNER = re.compile(rb"GNU C Library [^\n]{0,200}?release version (\d+)\.(\d+)")
_MUSL_VERSION = re.compile(rb"(?<![\d.])(\d+)\.(\d+)\.\d+(?:-git[\w-]*)?\0")
_MUSL_PATH = ("/lib", "/usr/local/lib", "/usr/lib")


@dataclass(frozen=True, slots=True)
class Loader:
    """What depends on the build of ld.so.

    libc: "glibc" or "musl". version: of the C library. system_dirs: its default directories, without the final
    slash (glibc SYSTEM_DIRS; musl's built-in path). lib: what $LIB stands for (DL_DST_LIB), "" for musl.
    """

    libc: str
    version: tuple[int, int]
    system_dirs: tuple[str, ...]
    lib: str


@dataclass(frozen=True, slots=True)
class Processor:
    """What ld.so makes of the processor it runs on.

    platform: AT_PLATFORM or glibc's replacement for it, what $PLATFORM stands for. hwcaps: active glibc-hwcaps
    subdirectories in priority order. legacy: names of the important hwcap bits, lowest first (before glibc 2.37).
    """

    platform: str
    hwcaps: tuple[str, ...]
    legacy: tuple[str, ...]


_BASELINE = {"x86_64": ("x86_64",)}
_LEGACY_BITS = {"x86_64": {1: "x86_64", 2: "avx512_1"}, "aarch64": {8: "atomics"}}
"""glibc 2.36 sysdeps/x86/dl-procinfo.c `_dl_x86_hwcap_flags`; .../aarch64/dl-procinfo.h HWCAP_IMPORTANT."""


def read_loader(ld_so: bytes, libc: bytes, where: str) -> Loader:
    """Return the compiled-in constants of an ld.so and its libc.so (for musl they are one file).

    Raises SourceError naming `where` when they cannot be found.
    """
    if (banner := _BANNER.search(libc)) is None:
        return _read_musl(libc, where)
    runs = [
        run[0] for run in _DIRECTORIES.finditer(ld_so) if b"/usr/lib" in run[0] and b"lib" in run[0].split(b"\0")[0]
    ]
    if not runs:
        raise SourceError(f"{where}: its default directories were not found in ld.so; use a shipped host profile")
    directories = tuple(name.decode().rstrip("/") for name in max(runs, key=len).split(b"\0") if name)
    return Loader(
        "glibc", (int(banner[1]), int(banner[2])), directories, directories[0].removeprefix("/usr").strip("/")
    )


def _read_musl(libc: bytes, where: str) -> Loader:
    version = _MUSL_VERSION.search(libc)
    if version is None or b"musl libc" not in libc:
        raise SourceError(f"{where}: neither glibc nor musl; use a shipped host profile (--host)")
    return Loader("musl", (int(version[1]), int(version[2])), _MUSL_PATH, "")


def generic_processor(machine: str, version: tuple[int, int], hwcaps: Sequence[str] = ()) -> Processor:
    """Return an ordinary processor of `machine` as ld.so of that glibc version sees it (hwcaps since 2.33)."""
    legacy = _BASELINE.get(machine, ()) if version < (2, 37) else ()
    return Processor(machine, tuple(hwcaps) if version >= (2, 33) else (), legacy)


def this_processor(ld_so: Path, machine: str, version: tuple[int, int]) -> Processor:
    """Ask this machine's own dynamic linker what it makes of the processor (`--list-diagnostics`, glibc 2.33).

    Older ones have no glibc-hwcaps and are not asked. Raises SourceError when ld.so does not answer.
    """
    if version < (2, 33):
        return generic_processor(machine, version)
    command = [str(ld_so), "--list-diagnostics"]
    try:
        answer = subprocess.run(command, capture_output=True, check=True, timeout=30, env={"LC_ALL": "C"})
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceError(f"{shlex.join(command)}: {error}; use a shipped host profile (--host)") from error
    return parse_diagnostics(answer.stdout.decode("utf-8", "replace"), machine, version)


def parse_diagnostics(text: str, machine: str, version: tuple[int, int]) -> Processor:
    """Return the processor from the text that `ld.so --list-diagnostics` printed (glibc elf/dl-diagnostics.c)."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def number(name: str) -> int:
        return int(values.get(name, "0"), 16)

    names = [name for name in values.get("dl_hwcaps_subdirs", "").strip('"').split(":") if name]
    active = number("dl_hwcaps_subdirs_active")
    # Bit 0 stands for the first name (glibc elf/dl-hwcaps_split.c `_dl_hwcaps_split_masked`).
    chosen = [name for place, name in enumerate(names) if active >> place & 1]
    important = number("dl_hwcap") & number("dl_hwcap_important")
    bits = _LEGACY_BITS.get(machine, {}) if version < (2, 37) else {}
    legacy = tuple(bits[bit] for bit in sorted(bits) if important >> bit & 1)
    return Processor(values.get("dl_platform", f'"{machine}"').strip('"'), tuple(chosen), legacy)


@lru_cache(maxsize=8)
def legacy_subdirectories(processor: Processor, version: tuple[int, int]) -> tuple[str, ...]:
    """Return the subdirectories of the old kind in the order that glibc before 2.37 tries them.

    All combinations of the hwcap names, the platform and "tls", as glibc 2.36 elf/dl-hwcaps.c
    `_dl_important_hwcaps` builds them; a combination that occurs twice is kept once.
    """
    if version >= (2, 37):
        return ()
    names = [*processor.legacy, processor.platform, "tls"]
    combinations = [
        "/".join(names[bit] for bit in reversed(range(len(names))) if mask >> bit & 1)
        for mask in range((1 << len(names)) - 1, 0, -1)
    ]
    return tuple(dict.fromkeys(combinations))

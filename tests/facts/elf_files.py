"""Small ELF files of every kind that the readers must tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.facts.elf import read_object
from abiclash.facts.ranges import Ranges

if TYPE_CHECKING:
    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable
    from tests.support import Builder

SOURCES = Path(__file__).parent / "elf_fixtures"


@dataclass(frozen=True)
class ElfFixtures:
    """Builds the fixtures; `KINDS` names them all."""

    builder: Builder

    KINDS = (
        "bindings",
        "sysv-hash",
        "both-hashes",
        "32-bit",
        "packed-relative",
        "unique",
        "versions",
        "versions-user",
        "tls-global-dynamic",
        "tls-initial-exec",
        "tls-descriptors",
        "undefined-only",
        "copy-program",
        "notes",
        "relocatable",
        "static-program",
    )

    def build(self, kind: str) -> Path:
        """Return the built file."""
        make = getattr(self, "_" + kind.replace("-", "_"), None)
        if make is not None:
            path: Path = make()
            return path
        flags = {
            "sysv-hash": ["-Wl,--hash-style=sysv"],
            "both-hashes": ["-Wl,--hash-style=both"],
            "32-bit": ["-m32", "-nostdlib"],
            "packed-relative": ["-Wl,-z,pack-relative-relocs"],
        }.get(kind, [])
        return self.c(kind, "bindings.c", *flags)

    def c(self, name: str, source: str, *flags: str) -> Path:
        """Build a library from one C fixture."""
        return self.builder.library(f"lib{name}.so", (SOURCES / source).read_text(), flags=flags)

    def read(self, kind: str) -> tuple[ObjectFacts, NameTable]:
        """Return the facts of a fixture."""
        return read(self.build(kind))

    def _unique(self) -> Path:
        return self.builder.library("libunique.so", (SOURCES / "unique.cc").read_text(), language="c++")

    def _versions(self) -> Path:
        source, script = (SOURCES / "versions.c").read_text(), (SOURCES / "versions.map").read_text()
        return self.builder.library("libversions.so", source, versions=script, flags=["-nostdlib"])

    def _versions_user(self) -> Path:
        source = "int answer(void); int only_one(void); int use(void) { return answer() + only_one(); }"
        return self.builder.library("libuser.so", source, libs=[self._versions()], flags=["-nostdlib"])

    def _tls(self, model: str, *flags: str) -> Path:
        return self.c(f"tls-{model}", "tls.c", f'-DMODEL="{model}"', "-O2", *flags)

    def _tls_global_dynamic(self) -> Path:
        return self._tls("global-dynamic")

    def _tls_initial_exec(self) -> Path:
        return self._tls("initial-exec")

    def _tls_descriptors(self) -> Path:
        return self._tls("global-dynamic", "-mtls-dialect=gnu2")

    def _undefined_only(self) -> Path:
        source = "int a(void), b(void); static int f(void) { return a() + b(); }"
        source += "static int (*p)(void) __attribute__((used)) = f;"
        return self.builder.library("libundefined.so", source, flags=["-nostdlib", "-nostartfiles"])

    def _copy_program(self) -> Path:
        source = (SOURCES / "program.c").read_text()
        library = self.c("bindings", "bindings.c")
        flags = ["-no-pie", "-fno-pie", "-Wl,--unresolved-symbols=ignore-all"]
        return self.builder.program("program", source, libs=[library], flags=flags)

    def _notes(self) -> Path:
        source = (SOURCES / "notes.s").read_text()
        flags = ["-nostdlib", "-Wl,--build-id=0x00ff17", "-Wl,-z,execstack"]
        return self.builder.library("libnotes.so", source, language="assembler", flags=flags)

    def _relocatable(self) -> Path:
        return self.builder.program("part.o", (SOURCES / "bindings.c").read_text(), flags=["-c"])

    def _static_program(self) -> Path:
        source = "void _start(void) { __builtin_trap(); }"
        return self.builder.program("static", source, flags=["-static", "-nostdlib"])


def read(path: Path) -> tuple[ObjectFacts, NameTable]:
    """Read a file with the fast reader."""
    return read_object(Ranges.whole(path.read_bytes()), str(path))

"""Two readers, one truth: the fast reader, pyelftools and readelf agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from abiclash.facts.reference import read_reference
from tests.facts.compare import differences
from tests.facts.elf_files import ElfFixtures, read

MACHINE = sorted(
    path
    for pattern in ("libstdc++.so.6", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libz.so.1", "ld-linux-*.so.2")
    for folder in ("/lib", "/usr/lib", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64")
    for path in Path(folder).glob(pattern)
)
needs_readelf = pytest.mark.skipif(shutil.which("readelf") is None, reason="needs readelf of binutils")


@pytest.mark.compiler
@pytest.mark.parametrize("kind", ElfFixtures.KINDS)
def test_readers_agree_on_fixtures(elf_fixtures: ElfFixtures, kind: str) -> None:
    path = elf_fixtures.build(kind)
    assert differences(read(path), read_reference(path.read_bytes(), str(path))) == []


@pytest.mark.parametrize("path", {path.resolve() for path in MACHINE}, ids=lambda path: path.name)
def test_readers_agree_on_the_machines_libraries(path: Path) -> None:
    assert differences(read(path), read_reference(path.read_bytes(), str(path))) == []


@needs_readelf
@pytest.mark.compiler
@pytest.mark.parametrize("kind", [kind for kind in ElfFixtures.KINDS if kind not in ("relocatable", "static-program")])
def test_readelf_agrees_on_fixtures(elf_fixtures: ElfFixtures, kind: str) -> None:
    path = elf_fixtures.build(kind)
    assert _symbols(path) == _readelf_symbols(path)
    assert _references(path) == _readelf_references(path)


@needs_readelf
@pytest.mark.parametrize("path", {path.resolve() for path in MACHINE}, ids=lambda path: path.name)
def test_readelf_agrees_on_the_machines_libraries(path: Path) -> None:
    assert _symbols(path) == _readelf_symbols(path)
    assert _references(path) == _readelf_references(path)


_BIND = {1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}
_TYPE = {0: "NOTYPE", 1: "OBJECT", 2: "FUNC", 6: "TLS", 10: "IFUNC"}
_VISIBILITY = ("DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED")
_SECTION = {0: "UND", 0xFFF1: "ABS"}


def _symbols(path: Path) -> set[tuple[object, ...]]:
    """Return the symbols as readelf shows them: index, value, size, type, binding, visibility, section, name."""
    facts, table = read(path)
    columns = facts.symbols
    names = {version.index: version.name for version in facts.versions}
    rows: set[tuple[object, ...]] = set()
    for row in range(len(table)):
        info, versym = int(columns.info[row]), int(columns.versym[row])
        section = int(columns.shndx[row])
        version = names.get(versym & 0x7FFF, "")
        name = table.name(row).decode()
        if version not in ("", name):  # the symbol that names a version node is shown bare
            name += ("@@" if section and not versym & 0x8000 else "@") + version
        rows.add(
            (
                int(columns.index[row]),
                int(columns.value[row]),
                int(columns.size[row]),
                _TYPE[info & 15],
                _BIND[info >> 4],
                _VISIBILITY[int(columns.other[row]) & 3],
                _SECTION.get(section, str(section)),
                name,
            )
        )
    return rows


def _readelf(path: Path, option: str) -> str:
    command = ["readelf", "--wide", option, str(path)]
    environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def _readelf_symbols(path: Path) -> set[tuple[object, ...]]:
    """Return the non-local rows of `readelf --dyn-syms` that have a name."""
    rows: set[tuple[object, ...]] = set()
    for line in _readelf(path, "--dyn-syms").splitlines():
        fields = line.split()
        if len(fields) < 8 or not fields[0].rstrip(":").isdigit() or fields[4] == "LOCAL":
            continue
        number, value, size, kind, bind, visibility, section, name = fields[:8]
        rows.add((int(number[:-1]), int(value, 16), int(size, 0), kind, bind, visibility, section, name))
    return rows


def _references(path: Path) -> Counter[str]:
    """Return the number of relocations by symbol name."""
    facts, table = read(path)
    count: Counter[str] = Counter()
    for row, used in zip(facts.references.symbol.tolist(), facts.references.count.tolist(), strict=True):
        count[table.name(row).decode()] += used
    return count


def _readelf_references(path: Path) -> Counter[str]:
    """Return the number of relocations by symbol name, as `readelf --relocs` lists them."""
    line = re.compile(r"^[0-9a-f]{8,16}\s+[0-9a-f]{8,16}\s+R_\S+\s+[0-9a-f]{8,16}\s+([^\s@]+)", re.MULTILINE)
    return Counter(line.findall(_readelf(path, "--relocs")))

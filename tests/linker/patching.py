"""Changes to finished x86-64 objects, for what no linker would write."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeVar

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_D_TAG
from elftools.elf.sections import Section, SymbolTableSection

if TYPE_CHECKING:
    from pathlib import Path


Kind = TypeVar("Kind", bound=Section)


def _section(elf: ELFFile, name: str, kind: type[Kind]) -> Kind:
    section = elf.get_section_by_name(name)
    assert isinstance(section, kind)
    return section


def patch_symbol(
    path: Path,
    name: str,
    *,
    at: int = 0,
    info: int | None = None,
    other: int | None = None,
    value: int | None = None,
    versym: int | None = None,
) -> None:
    """Overwrite fields of entry number `at` with that name in .dynsym, and its entry in .gnu.version."""
    with path.open("r+b") as file:
        elf = ELFFile(file)
        table = _section(elf, ".dynsym", SymbolTableSection)
        index = [i for i, symbol in enumerate(table.iter_symbols()) if symbol.name == name][at]
        entry = table["sh_offset"] + index * table["sh_entsize"]
        fields = ((4, "B", info), (5, "B", other), (8, "<Q", value))
        changes = [(entry + offset, form, new) for offset, form, new in fields if new is not None]
        if versym is not None:
            versions = _section(elf, ".gnu.version", Section)
            changes.append((versions["sh_offset"] + 2 * index, "<H", versym))
        for offset, form, new in changes:
            file.seek(offset)
            file.write(struct.pack(form, new))


def hide_need(path: Path) -> None:
    """Mark the first needed version as hidden: bit 15 of vna_other, and in .gnu.version."""
    with path.open("r+b") as file:
        section = _section(ELFFile(file), ".gnu.version_r", Section)
        start = section["sh_offset"]
        file.seek(start + 8)
        (aux,) = struct.unpack("<I", file.read(4))
        file.seek(start + aux + 6)
        (other,) = struct.unpack("<H", file.read(2))
        file.seek(start + aux + 6)
        file.write(struct.pack("<H", other | 0x8000))


def patch_dynamic(path: Path, tag: str, value: int) -> None:
    """Overwrite the value of the first entry with that tag (DT_FLAGS_1 ...)."""
    with path.open("r+b") as file:
        section = _section(ELFFile(file), ".dynamic", DynamicSection)
        entries = list(section.iter_tags())
        place = next(i for i, entry in enumerate(entries) if entry.entry.d_tag == tag)
        file.seek(section["sh_offset"] + 16 * place)
        file.write(struct.pack("<QQ", ENUM_D_TAG[tag], value))


def patch_header(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes at a file offset."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def patch_segment(path: Path, kind: str, *, flags: int | None = None, type_: int | None = None) -> None:
    """Overwrite p_flags or p_type of the first program header of that kind (PT_GNU_STACK ...)."""
    with path.open("r+b") as file:
        elf = ELFFile(file)
        index = next(i for i, segment in enumerate(elf.iter_segments()) if segment["p_type"] == kind)
        entry = elf["e_phoff"] + index * elf["e_phentsize"]
        for offset, new in ((0, type_), (4, flags)):
            if new is not None:
                file.seek(entry + offset)
                file.write(struct.pack("<I", new))


def spoil_need(path: Path) -> None:
    """Let the first entry of .gnu.version_r name another library: its own name without the first letter."""
    with path.open("r+b") as file:
        start = _section(ELFFile(file), ".gnu.version_r", Section)["sh_offset"] + 4
        file.seek(start)
        (name,) = struct.unpack("<I", file.read(4))
        file.seek(start)
        file.write(struct.pack("<I", name + 1))

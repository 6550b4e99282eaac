"""One ELF file as the loader sees it: header, program headers, and addresses turned into kept bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import ElfError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.ranges import Ranges

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_TLS = 1, 2, 3, 4, 7
PT_GNU_EH_FRAME, PT_GNU_STACK, PT_GNU_RELRO = 0x6474E550, 0x6474E551, 0x6474E552
PF_X, PF_W = 1, 2
PN_XNUM = 0xFFFF
SHT_PROGBITS, SHT_DYNSYM = 1, 11
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
MAX_SECTIONS = 0xFF00  # SHN_LORESERVE: more need an extension that no linker uses for shared objects

_HEADER = {32: "HHIIIIIHHHHHH", 64: "HHIQQQIHHHHHH"}
_SEGMENT = {32: "IIIIIIII", 64: "IIQQQQQQ"}
_SECTION_FIELDS = ("name", "type", "flags", "addr", "offset", "size", "link", "info", "align", "entsize")
_SECTION_WIDTH = {32: "u4 u4 u4 u4 u4 u4 u4 u4 u4 u4", 64: "u4 u4 u8 u8 u8 u8 u4 u4 u8 u8"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One program header (gABI, Elf64_Phdr); all values in bytes but `type` and `flags`."""

    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class Section:
    """One section header."""

    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Header:
    """The ELF header, as far as it is used here."""

    bits: int
    little: bool
    osabi: int
    type: int
    machine: int
    phoff: int
    phnum: int
    shoff: int
    shnum: int
    shstrndx: int

    @property
    def order(self) -> str:
        """Byte order as struct and numpy spell it."""
        return "<" if self.little else ">"

    @property
    def word(self) -> int:
        """Bytes of an address."""
        return self.bits // 8

    @property
    def segment_size(self) -> int:
        """Bytes of a program header."""
        return struct.calcsize("=" + _SEGMENT[self.bits])

    @property
    def section_size(self) -> int:
        """Bytes of a section header."""
        return 64 if self.bits == 64 else 40


def parse_header(head: bytes) -> Header:
    """Return the header of an ELF file from its first bytes (64 are enough). Raises ElfError."""
    if head[:4] != b"\x7fELF":
        raise ElfError("offset 0x0: no ELF magic; this is not an ELF file")
    if len(head) < 52:
        raise ElfError(f"offset 0x0: the ELF header is cut off after {len(head)} bytes; get the file again")
    bits = {1: 32, 2: 64}.get(head[4])
    order = {1: "<", 2: ">"}.get(head[5])
    if bits is None or order is None:
        raise ElfError(f"offset 0x4: class {head[4]} or byte order {head[5]} is not defined; the file is damaged")
    layout = order + _HEADER[bits]
    if len(head) < 16 + struct.calcsize(layout):
        raise ElfError(f"offset 0x10: the ELF header is cut off after {len(head)} bytes; get the file again")
    fields = struct.unpack_from(layout, head, 16)
    header = Header(
        bits=bits,
        little=order == "<",
        osabi=head[7],
        type=fields[0],
        machine=fields[1],
        phoff=fields[4],
        phnum=fields[9],
        shoff=fields[5],
        shnum=fields[11],
        shstrndx=fields[12],
    )
    if header.phnum and fields[8] != header.segment_size:
        raise ElfError(f"offset 0x10: program headers of {fields[8]} bytes instead of {header.segment_size}")
    if header.phnum == PN_XNUM:
        raise ElfError("offset 0x10: the number of program headers is kept elsewhere (PN_XNUM); not supported")
    return header


def parse_segments(header: Header, raw: bytes) -> tuple[Segment, ...]:
    """Return the program headers from their bytes."""
    found = []
    for fields in struct.iter_unpack(header.order + _SEGMENT[header.bits], raw):
        if header.bits == 64:
            kind, flags, offset, vaddr, _, filesz, memsz, align = fields
        else:
            kind, offset, vaddr, _, filesz, memsz, flags, align = fields
        found.append(Segment(kind, flags, offset, vaddr, filesz, memsz, align))
    return tuple(found)


class Image:
    """An ELF file whose kept bytes can be asked for by address. All reading is checked against the file."""

    def __init__(self, ranges: Ranges) -> None:
        """Read the header and the program headers. Raises ElfError."""
        self.ranges = ranges
        self.header = parse_header(ranges.read(0, min(ranges.size, 64)).tobytes())
        length = self.header.phnum * self.header.segment_size
        raw = ranges.read(self.header.phoff, length).tobytes() if length else b""
        self.segments = parse_segments(self.header, raw)
        self.loads = tuple(s for s in self.segments if s.type == PT_LOAD)

    def segment(self, kind: int) -> Segment | None:
        """Return the last program header of that type, the one that ld.so ends up with."""
        found = None
        for segment in self.segments:
            if segment.type == kind:
                found = segment
        return found

    def locate(self, address: int) -> tuple[int, int]:
        """Return the file offset of an address and how many bytes are mapped from the file from there on.

        Segments that follow each other without a gap, in memory and in the file, count as one: patchelf grows a
        string table beyond the end of its segment that way, and ld.so sees memory only.
        """
        for load in self.loads:
            inside = address - load.vaddr
            if 0 <= inside < load.filesz:
                return load.offset + inside, self._mapped_until(load) - address
        raise ElfError(f"address {address:#x}: no loaded segment has file bytes there; the file is damaged")

    def _mapped_until(self, load: Segment) -> int:
        """Return the address where the file's bytes stop following each other."""
        end, offset = load.vaddr + load.filesz, load.offset + load.filesz
        for after in sorted(self.loads, key=lambda segment: segment.vaddr):
            if (after.vaddr, after.offset) == (end, offset):
                end, offset = end + after.filesz, offset + after.filesz
        return end

    def at(self, address: int, length: int, what: str) -> NDArray[np.uint8]:
        """Return `length` bytes at an address as a view; `what` names them in an error."""
        if length <= 0:
            return np.empty(0, dtype=np.uint8)
        offset, room = self.locate(address)
        if length > room:
            raise ElfError(f"offset {offset:#x}: {what} of {length} bytes leaves its segment ({room} bytes left)")
        return self.ranges.read(offset, length)

    def words(self, address: int, count: int, width: int, what: str) -> NDArray[np.unsignedinteger]:
        """Return `count` unsigned integers of `width` bytes at an address, as a view in the file's byte order."""
        return self.at(address, count * width, what).view(f"{self.header.order}u{width}")

    def records(self, address: int, count: int, dtype: np.dtype[np.void], what: str) -> NDArray[np.void]:
        """Return `count` records at an address as a view."""
        return self.at(address, count * dtype.itemsize, what).view(dtype)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The headers of .dynsym and of sections with constant content: .rodata, .comment and their like.

        Empty where they are missing or damaged, as ld.so never needs them; without names where those were not kept.
        """
        header = self.header
        count, length = header.shnum, header.shnum * header.section_size
        if not count or count > MAX_SECTIONS or not self.ranges.has(header.shoff, length):
            return ()
        kinds = _SECTION_WIDTH[header.bits].split()
        dtype = np.dtype([(f, header.order + k) for f, k in zip(_SECTION_FIELDS, kinds, strict=True)])
        rows = self.ranges.read(header.shoff, length).view(dtype).tolist()
        names = rows[header.shstrndx] if header.shstrndx < count else rows[0]
        text = self.ranges.read(names[4], names[5]).tobytes() if self.ranges.has(names[4], names[5]) else b""
        return tuple(
            Section(_name(text, name), kind, flags, addr, offset, size)
            for name, kind, flags, addr, offset, size, _link, _info, _align, _entsize in rows
            if kind == SHT_DYNSYM or (kind == SHT_PROGBITS and not flags & (SHF_WRITE | SHF_EXECINSTR))
        )


def _name(text: bytes, start: int) -> str:
    """Return a section's name from the section name table."""
    end = text.find(b"\0", start)
    return text[start : end if end >= 0 else None].decode("latin-1")

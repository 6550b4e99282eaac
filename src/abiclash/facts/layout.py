"""Which byte ranges of an ELF file its reader needs, known before the file has been inflated."""

from __future__ import annotations

from abiclash.facts.image import PF_X, PT_DYNAMIC, PT_LOAD, PT_NOTE, Header, Segment, parse_header, parse_segments
from abiclash.facts.ranges import merge

HEAD = 64 * 1024
"""Bytes at the start of a file that `wanted` looks at."""

CODE_LIMIT = 32 << 20
"""Executable segments up to this size are kept: initializers are followed through them."""

TAIL = 64 * 1024
"""Bytes kept behind each segment (.comment) and around the section headers (.shstrtab)."""


def wanted(head: bytes, size: int) -> list[tuple[int, int]]:
    """Return the (offset, length) ranges of a file of `size` bytes that `read_object` needs.

    head: the first `HEAD` bytes. .dynamic comes late in a file and tables may sit anywhere but in code, so
    everything that is loaded and not executable stays; code only where it is small, or where an old linker put
    the tables into the same segment. Raises ElfError when this is not ELF.
    """
    header = parse_header(head)
    end = header.phoff + header.phnum * header.segment_size
    if not header.phnum or end > len(head):
        return [(0, size)]
    segments = parse_segments(header, head[header.phoff : end])
    ranges = [(0, min(size, HEAD))]
    ranges += [(s.offset, s.filesz) for s in segments if _needed(s)]
    ranges += _unloaded(header, segments)
    return merge(ranges, size)


def _needed(segment: Segment) -> bool:
    """Tell whether a segment's bytes are read."""
    if segment.type != PT_LOAD:
        return segment.type in (PT_DYNAMIC, PT_NOTE)
    return not segment.flags & PF_X or segment.offset == 0 or segment.filesz <= CODE_LIMIT


def _unloaded(header: Header, segments: tuple[Segment, ...]) -> list[tuple[int, int]]:
    """Return the ranges outside of the loaded segments: .comment, the section headers and their names.

    .comment follows the last segment that the linker wrote; patchelf appends further ones at the file's end.
    """
    ranges = [(s.offset + s.filesz, TAIL) for s in segments if s.type == PT_LOAD]
    if header.shnum:
        length = header.shnum * header.section_size
        ranges.append((max(header.shoff - TAIL, 0), min(header.shoff, TAIL) + length))
        ranges.append((header.shoff + length, TAIL))
    return ranges

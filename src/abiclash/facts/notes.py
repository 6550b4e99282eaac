"""What an object says about its making: notes and .comment."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from abiclash.facts.image import PT_NOTE, SHT_PROGBITS
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.facts.image import Image, Section

NT_GNU_BUILD_ID = 3
NT_FDO_DLOPEN = 0x407C0C0A  # systemd's docs/ELF_DLOPEN_METADATA.md
NOTE_LIMIT = 1 << 20
COMMENT_LIMIT = 64 * 1024
NAMELESS_LIMIT = 4096
SHF_MERGE_STRINGS = 0x30


def _notes(image: Image) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield (owner, type, content) of the notes; a damaged note ends its segment, as ld.so's own reading does."""
    layout = image.header.order + "III"
    for segment in image.segments:
        if segment.type != PT_NOTE or not image.ranges.has(segment.offset, segment.filesz):
            continue
        raw = image.ranges.read(segment.offset, min(segment.filesz, NOTE_LIMIT)).tobytes()
        align = 8 if segment.align == 8 else 4
        at = 0
        while at + 12 <= len(raw):
            owner_size, size, kind = struct.unpack_from(layout, raw, at)
            content = at + 12 + _aligned(owner_size, align, 12)
            if content + size > len(raw):
                break
            yield raw[at + 12 : at + 12 + owner_size].rstrip(b"\0"), kind, raw[content : content + size]
            at = content + _aligned(size, align, 0)


def _aligned(size: int, align: int, before: int) -> int:
    """Return `size` with the padding that aligns what follows, `before` bytes preceding it."""
    return (before + size + align - 1) // align * align - before


def read_notes(image: Image) -> tuple[str | None, tuple[object, ...]]:
    """Return (build id in hex, entries of .note.dlopen). Entries that are no JSON are left out."""
    build_id = None
    wishes: list[object] = []
    for owner, kind, content in _notes(image):
        if owner == b"GNU" and kind == NT_GNU_BUILD_ID and build_id is None:
            build_id = content.hex()
        elif owner == b"FDO" and kind == NT_FDO_DLOPEN:
            wishes += _entries(content)
    return build_id, tuple(wishes)


def _entries(content: bytes) -> list[object]:
    """Return the entries of one dlopen note."""
    try:
        found = read_json(content.rstrip(b"\0"))
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else [found]


def read_producers(image: Image) -> tuple[str, ...]:
    """Return the distinct strings of .comment in file order; nothing for a file without section headers."""
    section = next((section for section in image.sections if _is_comment(section)), None)
    if section is None or not image.ranges.has(section.offset, min(section.size, COMMENT_LIMIT)):
        return ()
    raw = image.ranges.read(section.offset, min(section.size, COMMENT_LIMIT)).tobytes()
    return tuple(dict.fromkeys(part.decode("utf-8", "replace") for part in raw.split(b"\0") if part))


def _is_comment(section: Section) -> bool:
    """Tell whether a section is .comment; without names by its kind: small, mergeable strings, not loaded."""
    if section.name:
        return section.name == ".comment"
    return section.type == SHT_PROGBITS and section.flags == SHF_MERGE_STRINGS and section.size < NAMELESS_LIMIT

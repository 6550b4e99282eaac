"""Damaged files: an ElfError with its place and reason, never anything else, never a hang, never much memory."""

from __future__ import annotations

import contextlib
import functools
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abiclash.errors import ElfError
from abiclash.facts.elf import read_object
from abiclash.facts.layout import HEAD, wanted
from abiclash.facts.ranges import Ranges
from abiclash.facts.reference import read_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.facts.elf_files import ElfFixtures

pytestmark = pytest.mark.compiler

BASES = ("versions", "versions-user", "tls-initial-exec", "sysv-hash", "32-bit", "notes")
WORDS = st.sampled_from(
    [0, 1, 2, 7, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFF0, 1 << 63, (1 << 64) - 1]
)


def _survives(reader: Callable[[bytes], object], raw: bytes) -> None:
    """Pass when the reader returns, or raises the one error it may raise."""
    with contextlib.suppress(ElfError):
        reader(raw)


def _fast(raw: bytes) -> object:
    return read_object(Ranges.whole(raw), "damaged")


@functools.cache
def _interesting(raw: bytes) -> list[int]:
    """Return offsets where damage hurts: the headers, the dynamic section and the tables it points to."""
    spots = list(range(4, 64 + 56 * raw[56]))
    for at in range(64, 64 + 56 * raw[56], 56):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", raw, at)
        if kind == 2:
            spots += range(offset, min(offset + size, len(raw)))
    return spots + list(range(0x200, min(0x900, len(raw))))


@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), base=st.sampled_from(BASES))
def test_changed_bytes(elf_fixtures: ElfFixtures, data: st.DataObject, base: str) -> None:
    raw = bytearray(elf_fixtures.build(base).read_bytes())
    spots = _interesting(bytes(raw)) if raw[4] == 2 else range(4, min(0x900, len(raw)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(spots))
        raw[at] = data.draw(st.integers(0, 255))
    _survives(_fast, bytes(raw))
    _survives(lambda changed: read_reference(changed, "damaged"), bytes(raw))


@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), base=st.sampled_from(BASES), value=WORDS, width=st.sampled_from([2, 4, 8]))
def test_hostile_words(elf_fixtures: ElfFixtures, data: st.DataObject, base: str, value: int, width: int) -> None:
    raw = bytearray(elf_fixtures.build(base).read_bytes())
    spots = _interesting(bytes(raw)) if raw[4] == 2 else range(4, min(0x900, len(raw)))
    at = data.draw(st.sampled_from(spots)) & -width
    raw[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    _survives(_fast, bytes(raw))
    _survives(lambda changed: read_reference(changed, "damaged"), bytes(raw))


@pytest.mark.parametrize("at", [54, 58])
def test_headers_that_take_no_room_are_not_read_by_the_thousand(elf_fixtures: ElfFixtures, at: int) -> None:
    """e_phentsize or e_shentsize 0: all 65,534 headers lie at one place. ld.so refuses the former."""
    raw = bytearray(elf_fixtures.build("versions").read_bytes())
    raw[at : at + 4] = b"\0\0\xfe\xff"
    with pytest.raises(ElfError, match="of 0 bytes"):
        read_reference(bytes(raw), "damaged")
    if at == 54:
        with pytest.raises(ElfError, match="of 0 bytes"):
            _fast(bytes(raw))


@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), base=st.sampled_from(BASES))
def test_cut_files(elf_fixtures: ElfFixtures, data: st.DataObject, base: str) -> None:
    raw = elf_fixtures.build(base).read_bytes()
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    _survives(_fast, cut)
    _survives(lambda changed: read_reference(changed, "damaged"), cut)
    _survives(lambda head: wanted(head[:HEAD], len(head)), cut)


@given(st.binary(max_size=200))
def test_noise_behind_the_magic(noise: bytes) -> None:
    _survives(_fast, b"\x7fELF" + noise)
    _survives(lambda raw: wanted(raw, len(raw)), b"\x7fELF" + noise)


def test_hostile_counts_take_no_memory(elf_fixtures: ElfFixtures) -> None:
    """Every size in .dynamic claims 4 GiB: the error comes before anything is allocated for it."""
    raw = bytearray(elf_fixtures.build("versions").read_bytes())
    offset, size = next(
        (offset, size)
        for kind, _, offset, _, _, size, _, _ in struct.iter_unpack("<IIQQQQQQ", raw[64 : 64 + 56 * raw[56]])
        if kind == 2
    )
    for at in range(offset, offset + size, 16):
        tag = struct.unpack_from("<Q", raw, at)[0]
        if tag in (2, 8, 10, 27):
            struct.pack_into("<Q", raw, at + 8, 1 << 32)
    tracemalloc.start()
    with pytest.raises(ElfError, match="leaves its segment"):
        _fast(bytes(raw))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_ring_of_hash_links_ends(elf_fixtures: ElfFixtures) -> None:
    raw = bytearray(elf_fixtures.build("sysv-hash").read_bytes())
    facts = read_object(Ranges.whole(bytes(raw)), "ring")[0]
    count = int(facts.symbols.index.max()) + 1
    at = _sysv_hash_offset(raw)
    nbuckets, nchain = struct.unpack_from("<II", raw, at)
    assert nchain == count
    for link in range(1, nchain):
        struct.pack_into("<I", raw, at + 8 + 4 * (nbuckets + link), link % (nchain - 1) + 1)
    ring = read_object(Ranges.whole(bytes(raw)), "ring")[0]
    assert ring.symbols.hashed.all()


def _sysv_hash_offset(raw: bytearray) -> int:
    """Return the address of DT_HASH, which lies in the first segment of a small library."""
    return _dynamic(raw)[4][1]


def _dynamic(raw: bytearray) -> dict[int, tuple[int, int]]:
    """Return tag -> (offset of its entry, value); of a tag that occurs more than once the first."""
    for kind, _, offset, _, _, size, _, _ in struct.iter_unpack("<IIQQQQQQ", raw[64 : 64 + 56 * raw[56]]):
        if kind == 2:
            entries = enumerate(struct.iter_unpack("<QQ", raw[offset : offset + size]))
            return {tag: (offset + 16 * row, value) for row, (tag, value) in reversed(list(entries))}
    pytest.fail("the fixture has no dynamic section")


@pytest.mark.parametrize("at", [0xFFFFFFF0, (1 << 32) + 7, (1 << 64) - 8])
def test_string_offsets_of_four_gigabytes(elf_fixtures: ElfFixtures, at: int) -> None:
    """DT_NEEDED and DT_SONAME as far as that behind DT_STRTAB; st_name has 32 bits."""
    original = elf_fixtures.build("versions-user").read_bytes()
    tags = _dynamic(bytearray(original))
    for tag in (1, 14):
        raw = bytearray(original)
        struct.pack_into("<Q", raw, tags[tag][0] + 8, at)
        with pytest.raises(ElfError, match=r"offset 0x|string"):
            _fast(bytes(raw))
    raw = bytearray(original)
    struct.pack_into("<I", raw, tags[6][1] + 24, 0xFFFFFFF0)  # the first symbol's; small libraries lie as mapped
    with pytest.raises(ElfError, match=r"offset 0x|string"):
        _fast(bytes(raw))


def test_names_without_end(elf_fixtures: ElfFixtures) -> None:
    """The string table has no NUL: names end with it, and are not as many times as long."""
    raw = bytearray(elf_fixtures.build("versions").read_bytes())
    tags = _dynamic(raw)
    start, size = tags[5][1], tags[10][1]
    raw[start : start + size] = b"n" * size
    tracemalloc.start()
    with contextlib.suppress(ElfError):
        _, table = read_object(Ranges.whole(bytes(raw)), "endless")
        assert max(len(table.name(row)) for row in range(len(table))) <= size
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("step", [0, 1, 4, 0xFFFFFFFC, 0xFFFFFFFF])
@pytest.mark.parametrize(("base", "tag", "at"), [("versions", 0x6FFFFFFC, 16), ("versions-user", 0x6FFFFFFE, 12)])
def test_version_chains_end(elf_fixtures: ElfFixtures, base: str, tag: int, at: int, step: int) -> None:
    """vd_next and vn_next that lead nowhere or into themselves, with a count of 4 billion records."""
    raw = bytearray(elf_fixtures.build(base).read_bytes())
    tags = _dynamic(raw)
    struct.pack_into("<I", raw, tags[tag][1] + at, step)
    struct.pack_into("<Q", raw, tags[tag + 1][0] + 8, 0xFFFFFFFF)
    began = time.process_time()
    _survives(_fast, bytes(raw))
    assert time.process_time() - began < 2


def test_overlapping_version_records_end(elf_fixtures: ElfFixtures) -> None:
    """A version record that names itself as the next one is damage, not a loop."""
    raw = bytearray(elf_fixtures.build("versions").read_bytes())
    base = raw.index(struct.pack("<HHHH", 1, 1, 1, 1))
    struct.pack_into("<I", raw, base + 16, 0xFFFFFFFF)
    with pytest.raises(ElfError, match=r"no loaded segment|leaves its segment"):
        _fast(bytes(raw))

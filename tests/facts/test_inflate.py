"""`facts.inflate` and `facts.ranges`: streams that are checked, and of which parts are kept."""

from __future__ import annotations

import os
import tempfile
import zlib
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abiclash.errors import ElfError, WheelError
from abiclash.facts.inflate import DEFLATED, HEAD, STORED, Packed, checked, inflate, peek
from abiclash.facts.limits import Limits
from abiclash.facts.ranges import Ranges, merge

if TYPE_CHECKING:
    from collections.abc import Iterator

SPANS = st.lists(st.tuples(st.integers(0, 3 * HEAD), st.integers(0, HEAD)), max_size=5)


@contextmanager
def packed(content: bytes, method: int = DEFLATED, level: int = 6) -> Iterator[tuple[int, Packed]]:
    """Write content in the middle of a file, as a zip member is, and yield (descriptor, member)."""
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    data = deflate.compress(content) + deflate.flush() if method == DEFLATED else content
    with tempfile.TemporaryFile() as file:
        file.write(b"before" + data + b"behind")
        file.flush()
        yield file.fileno(), Packed(6, len(data), len(content), zlib.crc32(content), method)


def content_of(size: int, seed: int) -> bytes:
    """Return bytes that compress, but not to nothing."""
    return np.random.default_rng(seed).integers(0, 8, size, dtype=np.uint8).tobytes()


@settings(deadline=None)
@given(st.integers(1, 3 * HEAD), st.integers(0, 9), SPANS, st.sampled_from([DEFLATED, STORED]))
def test_kept_ranges_are_the_files_bytes(size: int, level: int, spans: list[tuple[int, int]], method: int) -> None:
    content = content_of(size, size)
    heads = []

    def select(head: bytes, of: int) -> list[tuple[int, int]]:
        heads.append((head, of))
        return spans

    with packed(content, method, level) as (file, member):
        ranges = inflate(file, member, select, Limits())
    assert heads == [(content[:HEAD], size)]
    assert ranges.size == size
    assert ranges.kept == merge(spans, size)
    for offset, length in ranges.kept:
        assert ranges.read(offset, length).tobytes() == content[offset : offset + length]


@settings(deadline=None)
@given(SPANS, st.integers(0, 3 * HEAD))
def test_merge_covers_the_same_bytes_in_disjoint_order(spans: list[tuple[int, int]], size: int) -> None:
    merged = merge(spans, size)
    assert {n for at, length in merged for n in (at, at + length - 1)} <= set(range(size))
    assert all(one[0] + one[1] < other[0] for one, other in pairwise(merged))
    covered = np.zeros(size, dtype=np.bool_)
    for at, length in spans:
        covered[at : at + length] = True
    assert covered.sum() == sum(length for _, length in merged)
    assert all(covered[at : at + length].all() for at, length in merged)


def test_reading_what_was_not_kept_names_the_offset() -> None:
    ranges = Ranges(100, [(10, b"0123456789")])
    assert ranges.read(12, 3).tobytes() == b"234"
    assert ranges.has(10, 10)
    assert not ranges.has(10, 11)
    with pytest.raises(ElfError, match="offset 0x13: 2 bytes from there were not kept"):
        ranges.read(19, 2)
    with pytest.raises(ElfError, match="offset 0x5f: 6 bytes from there leave the file of 100 bytes"):
        ranges.read(95, 6)
    with pytest.raises(ElfError):
        ranges.read(-1, 1)
    assert len(Ranges.whole(b"").read(0, 0)) == 0


@settings(deadline=None)
@given(st.integers(1, 2 * HEAD), st.data())
def test_damage_never_passes(size: int, data: st.DataObject) -> None:
    """A flipped bit of deflated data is an error, or leaves the same bytes; nothing else is raised."""
    content = content_of(size, 1)
    with packed(content) as (file, member):
        at = member.start + data.draw(st.integers(0, member.packed - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        os.pwrite(file, bytes([os.pread(file, 1, at)[0] ^ bit]), at)
        try:
            found = b"".join(checked(file, member, Limits()))
        except WheelError:
            return
        assert found == content


@pytest.mark.parametrize("method", [DEFLATED, STORED])
def test_what_is_declared_must_be_true(method: int) -> None:
    content = content_of(HEAD, 2)
    with packed(content, method) as (file, member):
        for wrong, message in (
            (replace(member, crc=1), "its CRC-32 is"),
            (replace(member, size=HEAD - 1), "it inflates to more than the declared 65535 bytes"),
            (replace(member, size=HEAD + 1), "it inflates to 65536 bytes where 65537 are declared"),
            (replace(member, packed=member.packed - 1), "packed data has not the length|where 65536 are declared"),
            (replace(member, packed=member.packed + 3), "packed data has not the length|more than the declared"),
            (replace(member, packed=member.packed + 300), "packed data has not the length|more than the declared"),
        ):
            with pytest.raises(WheelError, match=message):
                list(checked(file, wrong, Limits()))


def test_limits_are_named() -> None:
    bomb = bytes(1 << 20)
    with packed(bomb) as (file, member):
        assert b"".join(checked(file, member, Limits())) == bomb
        with pytest.raises(WheelError, match="more than the limit of 1000"):
            list(checked(file, member, Limits(member=1000)))
        with pytest.raises(WheelError, match=r"packed ones are more than the limit of 250 \(--limit ratio=250\)"):
            list(checked(file, member, Limits(free=1000)))


def test_a_bomb_that_lies_about_its_size_is_stopped_early() -> None:
    with packed(bytes(64 << 20)) as (file, member), pytest.raises(WheelError, match="more than the declared 1000"):
        next(checked(file, replace(member, size=1000), Limits()))


@pytest.mark.parametrize("method", [DEFLATED, STORED])
def test_peek_gives_the_first_bytes(method: int) -> None:
    with packed(b"\x7fELF" + content_of(HEAD, 3), method) as (file, member):
        assert peek(file, member, 4) == b"\x7fELF"
    with packed(b"", method) as (file, member):
        assert peek(file, member, 4) == b""

"""The two hash tables of a dynamic object: how many symbols there are, and which of them a look-up can reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from abiclash.errors import ElfError
from abiclash.facts.dynamic import DT_GNU_HASH, DT_HASH

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.dynamic import Dynamic
    from abiclash.facts.image import Image

_WIDE_HASH = {22, 0x9026}  # EM_S390 and EM_ALPHA have 8-byte entries in DT_HASH in 64-bit files


@dataclass(frozen=True, slots=True)
class HashTable:
    """What a hash table says.

    count: symbols up to the last one that it reaches. reached: uint32 symbol indexes in ascending order.
    """

    count: int
    reached: NDArray[np.uint32]


def read_hash(image: Image, dynamic: Dynamic) -> HashTable | None:
    """Return the table that ld.so uses: DT_GNU_HASH before DT_HASH (glibc elf/dl-setup_hash.c).

    The count comes from both, as DT_HASH also counts the undefined symbols. Raises ElfError.
    """
    gnu = _gnu_hash(image, dynamic.get(DT_GNU_HASH)) if dynamic.has(DT_GNU_HASH) else None
    sysv = _sysv_hash(image, dynamic.get(DT_HASH)) if dynamic.has(DT_HASH) else None
    if gnu is None or sysv is None:
        return gnu or sysv
    return HashTable(max(gnu.count, sysv.count), gnu.reached)


def _gnu_hash(image: Image, address: int) -> HashTable:
    """Read DT_GNU_HASH: every bucket starts a run of chain words, the last of which has bit 0 set."""
    nbuckets, offset, bloom, _ = (int(word) for word in image.words(address, 4, 4, "the GNU hash header"))
    start = address + 16 + bloom * image.header.word
    buckets = image.words(start, nbuckets, 4, "the GNU hash buckets").astype(np.uint32)
    buckets = buckets[buckets >= max(offset, 1)]
    if not len(buckets):
        return HashTable(offset, np.empty(0, dtype=np.uint32))
    ends = _chain_ends(image, start + 4 * nbuckets, offset, int(buckets.max()))
    begins = np.zeros(int(ends[-1]) + 1 - offset, dtype=np.bool_)
    begins[buckets - np.uint32(offset)] = True
    begin = np.flatnonzero(begins) + offset
    # Of the buckets that lead into one run, the first reaches all that the others do.
    run = np.searchsorted(ends, begin, side="left")
    first = np.flatnonzero(np.diff(run, prepend=-1))
    begin, stop = begin[first], ends[run[first]] + 1
    lengths = stop - begin
    before = np.cumsum(lengths) - lengths
    reached = np.arange(int(lengths.sum()), dtype=np.int64) + np.repeat(begin - before, lengths)
    return HashTable(int(stop[-1]), reached.astype(np.uint32))


def _chain_ends(image: Image, chains: int, offset: int, last: int) -> NDArray[np.int64]:
    """Return the symbol indexes whose chain word ends a run, up to the end of the run that `last` is in."""
    where, room = image.locate(chains + 4 * (last - offset))
    for length in (4096, room):
        tail = image.ranges.read(where, min(length, room) & ~3).view(image.header.order + "u4")
        stops = np.flatnonzero(tail & 1)
        if len(stops):
            break
    else:
        raise ElfError(f"offset {where:#x}: the last GNU hash chain has no end; the file is damaged")
    count = last - offset + int(stops[0]) + 1
    words = image.words(chains, count, 4, "the GNU hash chains")
    return np.flatnonzero(words & 1) + offset


def _sysv_hash(image: Image, address: int) -> HashTable:
    """Read DT_HASH: chain[i] is the symbol to try after symbol i, 0 ends."""
    wide = image.header.bits == 64 and image.header.machine in _WIDE_HASH
    size = 8 if wide else 4
    nbuckets, nchain = (int(word) for word in image.words(address, 2, size, "the hash header"))
    buckets = image.words(address + 2 * size, nbuckets, size, "the hash buckets").astype(np.int64)
    chain = image.words(address + (2 + nbuckets) * size, nchain, size, "the hash chains").astype(np.int64)
    for links in (buckets, chain):
        if len(links) and int(links.max()) >= max(nchain, 1):
            raise ElfError(f"address {address:#x}: a hash link leaves the table of {nchain} symbols")
    reached = np.zeros(nchain, dtype=np.bool_)
    reached[buckets[buckets > 0]] = True
    chain[:1] = 0
    # Doubling the step finds chains of any length in log2(nchain) passes, also where damaged links form a ring.
    for _ in range(max(nchain, 1).bit_length()):
        if not chain.any():
            break
        reached[chain[reached]] = True
        chain = chain[chain]
    if nchain:
        reached[0] = False
    return HashTable(nchain, np.flatnonzero(reached).astype(np.uint32))

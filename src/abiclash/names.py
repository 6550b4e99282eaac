"""Symbol names: their 64-bit keys, and how they are shown.

The linker compares names by key only, so a scan reads the names themselves just for what it shows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x9FB21C651E98DF25)
_SEED = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_WORD = 8  # bytes
_BLOCK = 1 << 14  # names mixed together: their states and places stay in a processor's cache


def name_keys(
    table: bytes | NDArray[np.uint8], start: NDArray[np.integer], length: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """Return a stable 64-bit key for each name `table[start:start+length]`.

    Eight bytes of all names of a block are mixed at a time, so the work is the number of bytes.
    The function is part of the store's schema: do not change its values without raising `facts.model.SCHEMA`.
    """
    raw = np.frombuffer(table, dtype=np.uint8) if isinstance(table, bytes) else table
    if len(raw) < _WORD:
        raw = np.concatenate([raw, np.zeros(_WORD, dtype=np.uint8)])
    words: NDArray[np.uint64] = np.ndarray(shape=(len(raw) - _WORD + 1,), dtype="<u8", buffer=raw, strides=(1,))
    short = not len(length) or int(length.max()) < 1 << 16  # numpy sorts 16-bit numbers by radix, in linear time
    by_length = np.argsort(length.astype(np.uint16) if short else length, kind="stable")[::-1]
    keys = np.empty(len(start), dtype=np.uint64)
    for at in range(0, len(by_length), _BLOCK):
        rows = by_length[at : at + _BLOCK]
        keys[rows] = _mix(words, start[rows].astype(np.int64), length[rows].astype(np.int64))
    keys = (keys ^ (keys >> np.uint64(29))) * _MULTIPLIER
    return keys ^ (keys >> _HALF)


def _mix(words: NDArray[np.uint64], position: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Mix the names of one block, longest first: whole words while there are any, then what is left of each name."""
    state = _SEED ^ (length.astype(np.uint64) * _MULTIPLIER)
    whole = length >> 3
    active = np.searchsorted(-whole, -np.arange(1, int(whole[0]) + 1), side="right")
    for mixed_words, count in enumerate(active.tolist()):
        some = state[:count]
        some ^= words[mixed_words * _WORD :][position[:count]]
        some *= _MULTIPLIER
        some ^= some >> _HALF
    rest = (length & 7).astype(np.uint64) * np.uint64(_WORD)
    short = np.flatnonzero(rest)
    at, rest = position[short] + (whole[short] << 3), rest[short]
    # In the table's last bytes: read its last whole word and shift what precedes the name out of it.
    over = np.maximum(at - (len(words) - 1), 0)
    word = words[at - over] >> (over.astype(np.uint64) * np.uint64(_WORD))
    word &= (np.uint64(1) << rest) - np.uint64(1)
    mixed = (state[short] ^ word) * _MULTIPLIER
    state[short] = mixed ^ (mixed >> _HALF)
    return state


@lru_cache(maxsize=4096)
def name_key(name: bytes | str) -> int:
    """Return the key of one name."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return int(name_keys(raw, np.array([0]), np.array([len(raw)]))[0])

"""Symbol names: their 64-bit keys, and how they are shown.

The linker compares names by key only, so a scan reads the names themselves just for what it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MULTIPLIER = np.uint64(0x9FB21C651E98DF25)
_SEED = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def name_keys(
    table: bytes | NDArray[np.uint8], start: NDArray[np.integer], length: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """Return a stable 64-bit key for each name `table[start:start+length]`.

    Eight bytes of all names are mixed at a time, so the number of numpy calls is the longest length / 8 and the
    work is the number of bytes. The function is part of the store's schema: do not change it without raising
    `facts.model.SCHEMA`.
    """
    raw = np.frombuffer(table, dtype=np.uint8) if isinstance(table, bytes) else table
    padded = np.concatenate([raw, np.zeros(8, dtype=np.uint8)])
    words = np.ndarray(shape=(len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    position = start.astype(np.int64)
    left = length.astype(np.int64)
    state = _SEED ^ (left.astype(np.uint64) * _MULTIPLIER)
    by_length = np.argsort(-left, kind="stable")
    position, left, mixed = position[by_length], left[by_length], state[by_length]
    active = int(np.searchsorted(-left, 0, side="left"))
    while active:
        word = words[position[:active]]
        short = np.minimum(left[:active], 8)
        partial = short < 8
        if partial.any():
            keep = (np.uint64(1) << (short[partial].astype(np.uint64) * np.uint64(8))) - np.uint64(1)
            word[partial] &= keep
        mixed[:active] = (mixed[:active] ^ word) * _MULTIPLIER
        mixed[:active] ^= mixed[:active] >> _HALF
        position[:active] += 8
        left[:active] -= 8
        active = int(np.searchsorted(-left[:active], 0, side="left"))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * _MULTIPLIER
    mixed ^= mixed >> _HALF
    keys = np.empty_like(mixed)
    keys[by_length] = mixed
    return keys


def name_key(name: bytes | str) -> int:
    """Return the key of one name."""
    raw = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
    return int(name_keys(raw, np.array([0]), np.array([len(raw)]))[0])

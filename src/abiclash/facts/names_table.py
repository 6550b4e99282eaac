"""The names of an object's symbols, beside its facts: facts keep 64-bit keys only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = 8


@dataclass(frozen=True, slots=True)
class NameTable:
    """Names of `Symbols`, row by row: name i is `buffer[start[i] : start[i] + length[i]]`.

    key: uint64, the symbols' keys, ascending, with repetitions (`foo@V1` and `foo@V2` share one).
    start: uint32, length: uint32, in bytes. buffer: uint8, a view into the object's kept bytes: hold it no
    longer than needed. Names are bytes; show them with `decode("utf-8", "surrogateescape")`.
    """

    key: NDArray[np.uint64]
    start: NDArray[np.uint32]
    length: NDArray[np.uint32]
    buffer: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.key)

    def name(self, row: int) -> bytes:
        """Return one name."""
        start = int(self.start[row])
        return self.buffer[start : start + int(self.length[row])].tobytes()


class Prefixes:
    """Finds the names that start with something: the first eight bytes of every name are compared as one number."""

    def __init__(self, names: NameTable, rows: NDArray[np.intp]) -> None:
        """rows: the rows of `names` to look at."""
        self._names = names
        self.rows = rows
        buffer = names.buffer
        if len(buffer) < _WORD:
            buffer = np.concatenate([buffer, np.zeros(_WORD, dtype=np.uint8)])
        words: NDArray[np.uint64] = np.ndarray((len(buffer) - _WORD + 1,), dtype="<u8", buffer=buffer, strides=(1,))
        start = names.start[rows].astype(np.int64)
        # A name in the table's last bytes: read the last whole word and shift what precedes the name out of it.
        over = np.maximum(start - (len(words) - 1), 0)
        self._heads = words[start - over] >> (over.astype(np.uint64) * np.uint64(_WORD))

    def find(self, prefix: bytes) -> NDArray[np.intp]:
        """Return the rows whose name starts with `prefix`."""
        head = prefix[:_WORD]
        mask = np.uint64((1 << 8 * len(head)) - 1)
        found: NDArray[np.intp] = self.rows[self._heads & mask == np.uint64(int.from_bytes(head, "little"))]
        found = found[self._names.length[found] >= len(prefix)]
        for at, byte in enumerate(prefix[_WORD:], _WORD):
            found = found[self._names.buffer[self._names.start[found].astype(np.int64) + at] == byte]
        return found

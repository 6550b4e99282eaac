"""The names of an object's symbols, beside its facts: facts keep 64-bit keys only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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

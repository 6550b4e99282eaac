"""Symbol names apart from the facts: compacted while indexing, looked up by key for what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import nanoarrow
import numpy as np
from arro3.core import Array, ChunkedArray, DataType

from abiclash.errors import ElfError
from abiclash.facts.parquet import from_parquet, read_columns, to_parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from abiclash.facts.names_table import NameTable

KEYS = "keys.parquet"
NAMES_PER_FILE = 1 << 16
"""A lookup decodes whole files; so the names of a wheel are spread over files of this many rows."""

_LARGEST = (1 << 31) - 1  # of an Arrow binary array, whose offsets are int32
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Names:
    """Distinct names, as key (uint64) and name (Arrow binary array) of one length."""

    key: NDArray[np.uint64]
    name: Any


def compact(table: NameTable) -> list[Names]:
    """Copy an object's distinct names out of its kept bytes, so that those can be released.

    The string table, read as a binary array that alternates between gaps and names, gives the names in one pass of
    memory copies. Names that overlap one before them (linkers share suffixes) come apart, gathered byte by byte.
    Raises ElfError when the names are too long to be true.
    """
    if not len(table):
        return []
    first = np.concatenate([[True], table.key[1:] != table.key[:-1]])
    order = np.flatnonzero(first)[np.argsort(table.start[first], kind="stable")]
    key, start, length = table.key[order], table.start[order].astype(np.int64), table.length[order].astype(np.int64)
    ends = start + length
    if int(length.sum()) > _LARGEST or int(ends.max()) > _LARGEST:
        raise ElfError("its symbol names take more than 2 GiB")
    apart = np.concatenate([[False], start[1:] < np.maximum.accumulate(ends)[:-1]])
    main = Names(key[~apart], _slices(table.buffer, start[~apart], ends[~apart]))
    if not apart.any():
        return [main]
    gathered = _gather(table.buffer, start[apart], length[apart])
    overlap_ends = np.cumsum(length[apart])
    return [main, Names(key[apart], _slices(gathered, overlap_ends - length[apart], overlap_ends))]


def name_files(parts: Sequence[Names]) -> dict[str, Callable[[], bytes]]:
    """Return the files that hold the names of an entry, each name once, as functions that make their contents."""
    keys = np.concatenate([part.key for part in parts]) if parts else np.empty(0, dtype=np.uint64)
    distinct, at = np.unique(keys, return_index=True)
    kept = np.zeros(len(keys), dtype=np.bool_)
    kept[at] = True
    rows = (np.cumsum(kept) - 1).astype(np.uint32)
    files: dict[str, Callable[[], bytes]] = {KEYS: partial(to_parquet, {"key": distinct, "row": rows[at]})}
    chunks, begin = [], 0
    for part in parts:
        mask = kept[begin : begin + len(part.key)]
        begin += len(part.key)
        chunks.append(part.name if mask.all() else part.name.take(Array.from_numpy(np.flatnonzero(mask))))
    if len(distinct):
        names = ChunkedArray(chunks)
        for row in range(0, len(distinct), NAMES_PER_FILE):
            files[_file(row)] = partial(_names_file, names, row, min(NAMES_PER_FILE, len(distinct) - row))
    return files


def find_names(read: Callable[[str], bytes], keys: NDArray[np.uint64]) -> dict[int, bytes]:
    """Return the names of those keys that an entry knows. read: gives the content of a file. Raises ValueError."""
    index = from_parquet(read(KEYS))
    known, rows = index["key"], index["row"]
    wanted = np.unique(np.asarray(keys, dtype=np.uint64))
    if not len(known) or not len(wanted):
        return {}
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    hit = known[at] == wanted
    wanted, found = wanted[hit], rows[at[hit]]
    names: dict[int, bytes] = {}
    for block in np.unique(found // NAMES_PER_FILE).tolist():
        here = found // NAMES_PER_FILE == block
        column = read_columns(read(_file(block * NAMES_PER_FILE)))["name"]
        texts = _rows(column, found[here] % NAMES_PER_FILE).to_pylist()
        names.update(zip(wanted[here].tolist(), texts, strict=True))
    return names


def name_column(read: Callable[[str], bytes], keys: NDArray[np.uint64]) -> Any:
    """Return the names of keys, row by row, as an Arrow binary array; null for a key that the entry does not know.

    read: as in `find_names`. Raises ValueError. Everything stays in Arrow: there is no Python object per name.
    """
    index = from_parquet(read(KEYS))
    known, rows = index["key"], index["row"]
    total = len(known)
    files = [read_columns(read(_file(row)))["name"] for row in range(0, total, NAMES_PER_FILE)]
    names = ChunkedArray([*files, Array([None], type=DataType.binary())]).combine_chunks()
    at = np.minimum(np.searchsorted(known, keys), max(total - 1, 0))
    hit = known[at] == keys if total else np.zeros(len(keys), dtype=np.bool_)
    at[~hit] = 0
    where = np.where(hit, rows[at], total) if total else at
    return _rows(names, where.astype(np.uint32))


def _rows(names: Any, rows: NDArray[np.unsignedinteger]) -> Any:
    """Return some rows of a column. Raises ValueError for a row that it has not: Arrow would panic."""
    if len(rows) and int(rows.max()) >= len(names):
        raise ValueError(f"row {int(rows.max())} of {len(names)} names is asked for")
    return names.take(Array.from_numpy(rows))


def _file(row: int) -> str:
    return f"names-{row // NAMES_PER_FILE}.parquet"


def _names_file(names: Any, row: int, rows: int) -> bytes:
    return to_parquet(
        {"row": np.arange(row, row + rows, dtype=np.uint32), "name": names.slice(row, rows).combine_chunks()}
    )


def _slices(buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]) -> Any:
    """Return `buffer[start:end]` of each row, ascending and without overlap, as an Arrow binary array of its own."""
    edges = np.zeros(2 * len(start) + 1, dtype=np.int32)
    edges[1::2], edges[2::2] = start, end
    used = buffer[: int(edges[-1])]
    pieces = nanoarrow.c_array_from_buffers(nanoarrow.binary(), 2 * len(start), [None, edges, used], null_count=0)
    return Array.from_arrow(pieces).take(Array.from_numpy(np.arange(1, 2 * len(start), 2, dtype=np.uint32)))


def _gather(buffer: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return `buffer[start:start+length]` of each row one after the other, a block of rows at a time."""
    ends = np.cumsum(length)
    gathered = np.empty(int(ends[-1]), dtype=np.uint8)
    row = 0
    while row < len(start):
        begin = int(ends[row] - length[row])
        stop = max(int(np.searchsorted(ends, begin + _BLOCK)), row + 1)
        offsets = start[row:stop] - (ends[row:stop] - length[row:stop])
        spread = np.repeat(offsets, length[row:stop])
        gathered[begin : begin + len(spread)] = buffer[np.arange(begin, begin + len(spread)) + spread]
        row = stop
    return gathered

"""Columns <-> Parquet bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, Table
from arro3.io import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_ALL_ROWS = 1 << 31
_PANIC = "PanicException"
"""Of Rust code that met what it did not expect; not a subclass of Exception, and its module cannot be imported."""


def to_parquet(columns: Mapping[str, Any]) -> bytes:
    """Return a Parquet file of columns of one length, numpy arrays or Arrow arrays.

    zstd at its fastest level and no dictionaries: the writer must not cost more than a few percent of inflating, and
    reading must decode into plain arrays. Keys are hashes, which do not compress. Booleans are written as uint8, which
    reads back as a view.
    """
    sink = io.BytesIO()
    write_parquet(
        Table.from_pydict({name: _arrow(column) for name, column in columns.items()}),
        sink,
        compression="zstd(1)",
        column_compression={"key": "uncompressed"} if "key" in columns else None,
        dictionary_enabled=False,
        max_statistics_size=64,
        max_row_group_size=1 << 20,
        created_by="abiclash",
    )
    return sink.getvalue()


def read_columns(content: bytes) -> dict[str, Any]:
    """Return the columns of a Parquet file as contiguous arrays. Raises ValueError when they cannot be read."""
    try:
        table = read_parquet(content, batch_size=_ALL_ROWS).read_all()
        return {name: _whole(table.column(name)) for name in table.column_names}
    except Exception as error:  # arro3 maps Rust errors to several types that it does not document
        raise ValueError(f"not a readable Parquet file ({error})") from error
    except BaseException as error:
        if type(error).__name__ != _PANIC:
            raise
        raise ValueError(f"not a readable Parquet file ({error})") from error


def from_parquet(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the columns of a Parquet file of numbers as numpy arrays, empty ones as uint8. Raises ValueError."""
    return {name: np.asarray(column) for name, column in read_columns(content).items()}


def _whole(column: Any) -> Any:
    if not column.num_chunks:
        return np.empty(0, dtype=np.uint8)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _arrow(column: Any) -> Any:
    if not isinstance(column, np.ndarray):
        return column
    return Array.from_numpy(column.view(np.uint8) if column.dtype == np.bool_ else np.ascontiguousarray(column))

"""One entry of the store: the facts of a wheel, or of one object of a host, as a set of small files.

facts.json.gz     what `document` makes of the wheel and its objects
symbols.parquet   `Symbols` of all objects, one after the other, with the object's row in facts.json.gz
references.parquet `References` likewise; initial: used inside an initializer
keys.parquet      (key, row) of each distinct name, sorted by key
names-N.parquet   (row, name) of `NAMES_PER_FILE` rows; names in file order compress to half of what a sorted list does
"""

from __future__ import annotations

import json
from itertools import accumulate
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from isal import isal_zlib

from abiclash.facts.document import object_document, read_object_document, read_wheel_document, wheel_document
from abiclash.facts.model import ObjectFacts, References, Symbols, WheelFacts
from abiclash.facts.parquet import from_parquet, to_parquet
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_GZIP = 31  # wbits of the gzip format, which ends in a CRC
_DAMAGED = cast("type[Exception]", isal_zlib.error)  # its stubs declare an instance

FACTS, SYMBOLS, REFERENCES = "facts.json.gz", "symbols.parquet", "references.parquet"

_SYMBOLS = {
    "key": np.uint64,
    "index": np.uint32,
    "versym": np.uint16,
    "info": np.uint8,
    "other": np.uint8,
    "shndx": np.uint16,
    "value": np.uint64,
    "size": np.uint64,
    "place": np.uint8,
    "hashed": np.bool_,
}
_REFERENCES = {"symbol": np.uint32, "kind": np.uint8, "count": np.uint32}


def pack(data: bytes) -> bytes:
    """Return data compressed (gzip), with a CRC by which `unpack` sees damage."""
    return isal_zlib.compress(data, 1, _GZIP)


def unpack(content: bytes) -> bytes:
    """Return what `pack` took. Raises ValueError when it is damaged."""
    try:
        return isal_zlib.decompress(content, _GZIP)
    except _DAMAGED as error:
        raise ValueError(f"not readable ({error})") from error


def encode(wheel: WheelFacts) -> dict[str, Callable[[], bytes]]:
    """Return the files that hold the facts of a wheel, each as a function that makes its content."""
    objects = wheel.objects
    document = {"wheel": wheel_document(wheel), "objects": [object_document(facts) for facts in objects]}
    return {
        FACTS: lambda: pack(json.dumps(document, separators=(",", ":")).encode()),
        SYMBOLS: lambda: to_parquet(_stack([facts.symbols for facts in objects], _SYMBOLS)),
        REFERENCES: lambda: to_parquet(_references(objects)),
    }


def decode(read: Callable[[str], bytes]) -> WheelFacts:
    """Return what `encode` took. read: gives the content of a file. Raises ValueError for damaged content."""
    try:
        document = read_json(unpack(read(FACTS)))
        symbols = _typed(from_parquet(read(SYMBOLS)), _SYMBOLS)
        references = _typed(from_parquet(read(REFERENCES)), {**_REFERENCES, "initial": np.bool_})
        rows = [one["rows"] for one in document["objects"]]
        symbol_ends = [0, *accumulate(count for count, _ in rows)]
        reference_ends = [0, *accumulate(count for _, count in rows)]
        objects = tuple(
            _object(
                one,
                {name: column[symbol_ends[row] : symbol_ends[row + 1]] for name, column in symbols.items()},
                {name: column[reference_ends[row] : reference_ends[row + 1]] for name, column in references.items()},
            )
            for row, one in enumerate(document["objects"])
        )
        return read_wheel_document(document["wheel"], objects)
    except (KeyError, TypeError) as error:
        raise ValueError(f"facts of another form ({error!r})") from error


def _object(document: dict[str, Any], symbols: dict[str, Any], references: dict[str, Any]) -> ObjectFacts:
    initial = np.flatnonzero(references.pop("initial")).astype(np.uint32)
    return read_object_document(document, Symbols(**symbols), References(**references), initial)


def _references(objects: Sequence[ObjectFacts]) -> dict[str, NDArray[Any]]:
    columns = _stack([facts.references for facts in objects], _REFERENCES)
    starts = accumulate((len(facts.references.symbol) for facts in objects), initial=0)
    initial = np.zeros(len(columns["symbol"]), dtype=np.uint8)
    for start, facts in zip(starts, objects, strict=False):
        initial[start + facts.init.references.astype(np.int64)] = 1
    return {**columns, "initial": initial}


def _stack(tables: Sequence[Symbols] | Sequence[References], columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Put the tables of all objects on top of each other, with the row of the object."""
    first = next(iter(columns))
    lengths = [len(getattr(table, first)) for table in tables]
    stacked = {"object": np.repeat(np.arange(len(tables), dtype=np.uint32), lengths)}
    for name, dtype in columns.items():
        parts = [getattr(table, name) for table in tables]
        stacked[name] = np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
    return stacked


def _typed(columns: dict[str, NDArray[Any]], wanted: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Give columns their types of the model, as views wherever the stored type has the same width."""
    return {
        name: columns[name].view(np.bool_) if dtype is np.bool_ else columns[name].astype(dtype, copy=False)
        for name, dtype in wanted.items()
    }

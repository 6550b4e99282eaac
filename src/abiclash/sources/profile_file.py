"""The file that keeps a host profile: a zip of one JSON header and the symbol tables, each group read when needed.

`profile.json` holds settings and every object's irregular facts; `group-N` the columns of the objects of one group,
one column after the other, and last their symbol names, NUL-terminated. Rows are kept in the order of names, and
keys are not kept: they follow from the names. Members are compressed with LZMA.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from abiclash.errors import SourceError
from abiclash.facts.document import object_document, read_object_document
from abiclash.facts.model import SCHEMA, ObjectFacts, References, Symbols
from abiclash.facts.names_table import NameTable
from abiclash.names import name_keys
from abiclash.parsing import read_json
from abiclash.readfile import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = "abiclash host profile 1"
try:
    from lzma import LZMAError
except ImportError:  # a Python without liblzma: zipfile says so when it meets a member
    LZMAError = RuntimeError  # type: ignore[assignment, misc]
_BROKEN: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, LZMAError, NotImplementedError, RuntimeError, EOFError, OSError, MemoryError),
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError),
)
"""What zipfile, json and numpy raise over bytes that are no profile."""
_SYMBOL_COLUMNS = {
    "index": "<u4",
    "versym": "<u2",
    "info": "u1",
    "other": "u1",
    "shndx": "<u2",
    "value": "<u8",
    "size": "<u8",
    "place": "u1",
    "hashed": "?",
}
_REFERENCE_COLUMNS = {"symbol": "<u4", "kind": "u1", "count": "<u4"}
_COLUMNS = {**_SYMBOL_COLUMNS, **_REFERENCE_COLUMNS, "init_references": "<u4"}
_STAMP = (2020, 1, 1, 0, 0, 0)  # a fixed time, so that equal facts give equal bytes

Loaded = tuple[ObjectFacts, NameTable]


def write_profile(
    path: Path, header: dict[str, Any], groups: Sequence[Sequence[Loaded]], documents: Mapping[str, Any]
) -> None:
    """Write a profile file.

    header: settings, as `ProfileFile.header` gives them back. groups: objects that are read together; the numbers
    of objects count on through the groups. documents: JSON documents by name, each read when asked for.
    Raises SourceError where `path` cannot be written.
    """
    described = {**header, "format": FORMAT, "schema": SCHEMA, "groups": [_describe(group) for group in groups]}
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, document in {"profile": described, **documents}.items():
            text = json.dumps(document, sort_keys=True, separators=(",", ":"))
            archive.writestr(_member(f"{name}.json"), text)
        for number, group in enumerate(groups):
            archive.writestr(_member(f"group-{number}"), _pack(group))
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise SourceError(f"{path}: the profile cannot be written: {error.strerror}; name another file (-o)") from error


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _STAMP)
    info.compress_type = zipfile.ZIP_LZMA
    return info


class ProfileFile:
    """A profile on disk. Raises SourceError naming the file wherever it is not what it should be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._raw = read_bytes(path)
            with zipfile.ZipFile(BytesIO(self._raw)) as archive:
                self.header: dict[str, Any] = read_json(archive.read("profile.json"))
            known = self.header["format"] == FORMAT
            schema = self.header["schema"]
            self._groups = [list(group) for group in self.header.pop("groups")]
        except FileNotFoundError as error:
            raise SourceError(f"{path}: no such host profile; see `abiclash host list`") from error
        except _BROKEN as error:
            raise self._error(error) from error
        if not known or schema != SCHEMA:
            raise SourceError(
                f"{path}: a profile of another version of abiclash; capture it again (abiclash host capture)"
            )
        self._loaded: dict[int, _Group] = {}

    @cached_property
    def _place(self) -> list[tuple[int, int]]:
        return [(number, row) for number, group in enumerate(self._groups) for row in range(len(group))]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self._place)

    def document(self, name: str) -> Any:
        """Return a JSON document of this file."""
        with self.reading(), zipfile.ZipFile(BytesIO(self._raw)) as archive:
            return read_json(archive.read(f"{name}.json"))

    def object(self, number: int) -> Loaded:
        """Return the facts and names of one object; its group is read at the first call."""
        with self.reading():
            group, row = self._place[number]
            if group not in self._loaded:
                with zipfile.ZipFile(BytesIO(self._raw)) as archive:
                    self._loaded[group] = _Group(archive.read(f"group-{group}"), self._groups[group])
            return self._loaded[group].object(row)

    def needed(self, number: int) -> tuple[str, ...]:
        """Return the libraries that one object needs, without reading its group."""
        with self.reading():
            group, row = self._place[number]
            return tuple(map(str, self._groups[group][row]["needed"]))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn what goes wrong over this file's content into a SourceError that names the file."""
        try:
            yield
        except _BROKEN as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> SourceError:
        told = f"{type(error).__name__}: {error}"
        return SourceError(
            f"{self.path}: not a readable host profile ({told}); capture it again (abiclash host capture)"
        )


def _describe(group: Sequence[Loaded]) -> list[dict[str, Any]]:
    """The irregular facts of each object, and the lengths of its columns."""
    return [{**object_document(facts), "init_references": len(facts.init.references)} for facts, _ in group]


def _pack(group: Sequence[Loaded]) -> bytes:
    """The columns of a group; within an object rows are ordered by name."""
    columns: dict[str, list[NDArray[Any]]] = {}
    text = bytearray()
    for facts, names in group:
        texts = [names.name(row) for row in range(len(names))]
        order = sorted(range(len(texts)), key=lambda row: (texts[row], int(facts.symbols.index[row])))
        kept_at = np.empty(len(order), dtype="<u4")
        kept_at[order] = np.arange(len(order))
        for name in _SYMBOL_COLUMNS:
            columns.setdefault(name, []).append(getattr(facts.symbols, name)[order])
        columns.setdefault("symbol", []).append(kept_at[facts.references.symbol])
        for name in ("kind", "count"):
            columns.setdefault(name, []).append(getattr(facts.references, name))
        columns.setdefault("init_references", []).append(facts.init.references)
        text += b"".join(texts[row] + b"\0" for row in order)
    packed = [np.concatenate(columns[name]).astype(kind).tobytes() for name, kind in _COLUMNS.items()]
    return b"".join([*packed, bytes(text)])


class _Group:
    """The decompressed columns of a group; an object is put together when it is asked for."""

    def __init__(self, raw: bytes, described: Sequence[dict[str, Any]]) -> None:
        self._described = described
        self._loaded: dict[int, Loaded] = {}
        lengths = [[*entry["rows"], entry["init_references"]] for entry in described]
        symbols, references, initializers = np.cumsum([[0, 0, 0], *lengths], axis=0).T.tolist()
        self._bounds = (
            dict.fromkeys(_SYMBOL_COLUMNS, symbols)
            | dict.fromkeys(_REFERENCE_COLUMNS, references)
            | {"init_references": initializers}
        )
        self._columns: dict[str, NDArray[Any]] = {}
        at = 0
        for name, kind in _COLUMNS.items():
            column = np.frombuffer(raw, dtype=kind, count=self._bounds[name][-1], offset=at)
            self._columns[name] = column
            at += column.nbytes
        self._buffer = np.frombuffer(raw, dtype=np.uint8)[at:]
        self._end = np.flatnonzero(self._buffer == 0)
        if len(self._end) != symbols[-1] or (len(self._buffer) and self._buffer[-1]):
            raise ValueError("names do not match the symbols")
        self._start = np.concatenate([[0], self._end[:-1] + 1])[: len(self._end)]

    def object(self, row: int) -> Loaded:
        if row not in self._loaded:
            bounds = {name: slice(ends[row], ends[row + 1]) for name, ends in self._bounds.items()}
            columns = {name: column[bounds[name]] for name, column in self._columns.items()}
            names = bounds["index"]
            self._loaded[row] = _object(
                self._described[row], columns, self._buffer, self._start[names], self._end[names]
            )
        return self._loaded[row]


def _object(
    entry: dict[str, Any],
    columns: dict[str, NDArray[Any]],
    buffer: NDArray[np.uint8],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
) -> Loaded:
    """One object, its symbols sorted by (key, index) again."""
    keys = name_keys(buffer, start, end - start)
    order = np.lexsort((columns["index"], keys))
    row = np.empty(len(order), dtype=np.uint32)
    row[order] = np.arange(len(order), dtype=np.uint32)
    symbols = Symbols(key=keys[order], **{name: columns[name][order] for name in _SYMBOL_COLUMNS})
    references = References(row[columns["symbol"]], columns["kind"].copy(), columns["count"].copy())
    facts = read_object_document(entry, symbols, references, columns["init_references"].copy())
    names = NameTable(symbols.key, start[order].astype(np.uint32), (end - start)[order].astype(np.uint32), buffer)
    return facts, names

"""Facts as Arrow tables: for pyarrow, polars, DuckDB, pandas and whatever else takes an Arrow stream.

Tables are related by numbers: `wheel` and `object` count from 0 within one answer, and `references.symbol` is a row of
`symbols` of the same object. Names that are no UTF-8 have U+FFFD in place of what cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, ChunkedArray, DataType, Table

from abiclash.facts.model import Place, Reloc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from abiclash.errors import NotAnalysed
    from abiclash.facts.model import ObjectFacts, WheelFacts

_HIDDEN = 0x8000  # in .gnu.version
BINDINGS = {0: "LOCAL", 1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}  # ELF64_ST_BIND
TYPES = {0: "NOTYPE", 1: "OBJECT", 2: "FUNC", 3: "SECTION", 4: "FILE", 5: "COMMON", 6: "TLS", 10: "IFUNC"}
VISIBILITIES = dict(enumerate(("DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED")))
_PLACES = {place.value: place.name for place in Place}
_KINDS = {kind.value: kind.name for kind in Reloc}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of wheels, as Arrow tables (arro3.core.Table; each has `__arrow_c_stream__`).

    wheels: wheel, name, version, filename, sha256.
    objects: object, wheel, path, size, machine (e_machine), soname, rpath, runpath, tls_size, tls_align, tls_static,
    exec_stack, initializers, build_id. Sizes are in bytes; null is what the file does not have.
    needed: object, position, library.
    versions: object, library (null: the object defines the version itself), version, weak.
    symbols: object, row, name, version, default_version (false: `name@VERSION`), defined, binding, type, visibility,
    place, value, size.
    references: object, symbol (a `row` of `symbols`), kind, count (relocations).
    not_analysed: what could not be read, with the reason.
    """

    wheels: Table
    objects: Table
    needed: Table
    versions: Table
    symbols: Table
    references: Table
    not_analysed: tuple[NotAnalysed, ...] = ()


def tables(
    wheels: Sequence[WheelFacts],
    names: Callable[[WheelFacts, NDArray[np.uint64]], Any],
    not_analysed: Iterable[NotAnalysed] = (),
) -> Facts:
    """Return the facts of wheels as tables. names: wheel, keys -> Arrow binary array of names, null where unknown."""
    objects = [(number, facts) for number, wheel in enumerate(wheels) for facts in wheel.objects]
    each = [facts for _, facts in objects]
    unread = {*not_analysed, *(entry for wheel in wheels for entry in wheel.not_analysed)}
    return Facts(
        wheels=_wheels(wheels),
        objects=_objects(objects),
        needed=_needed(each),
        versions=_versions(each),
        symbols=_symbols(each, [text_column(names(wheel, _keys(wheel))) for wheel in wheels]),
        references=_references(each),
        not_analysed=tuple(sorted(unread)),
    )


def text_column(names: Any) -> Any:
    """Return an Arrow binary array as strings: one cast, unless names are no UTF-8, which are mended one by one."""
    text = names.cast(DataType.string())
    if text.null_count == names.null_count:
        return text
    return strings(None if raw is None else raw.decode("utf-8", "replace") for raw in names.to_pylist())


def strings(values: Iterable[str | None]) -> Any:
    """Return texts as an Arrow string array; what cannot be encoded is replaced."""
    plain = [None if text is None else text.encode("utf-8", "replace").decode() for text in values]
    return Array(plain, type=DataType.string())


def pick(texts: Sequence[str | None], rows: NDArray[Any]) -> Any:
    """Return `texts[row]` for each row as an Arrow string array, without a Python object per row."""
    return strings(texts).take(Array.from_numpy(rows.astype(np.uint32)))


def _wheels(wheels: Sequence[WheelFacts]) -> Table:
    columns: dict[str, Any] = {"wheel": _numbers(np.arange(len(wheels), dtype=np.int32))}
    for name in ("name", "version", "filename", "sha256"):
        columns[name] = strings(getattr(wheel, name) for wheel in wheels)
    return Table.from_pydict(columns)


def _objects(objects: Sequence[tuple[int, ObjectFacts]]) -> Table:
    each = [facts for _, facts in objects]
    tls = [facts.tls for facts in each]
    init = [facts.init for facts in each]
    return Table.from_pydict(
        {
            "object": _numbers(np.arange(len(each), dtype=np.int32)),
            "wheel": _numbers(np.array([wheel for wheel, _ in objects], dtype=np.int32)),
            "path": strings(facts.path for facts in each),
            "size": _integers(facts.size for facts in each),
            "machine": _integers(facts.machine for facts in each),
            "soname": strings(facts.soname for facts in each),
            "rpath": strings(facts.rpath for facts in each),
            "runpath": strings(facts.runpath for facts in each),
            "tls_size": _integers(t.size if t else None for t in tls),
            "tls_align": _integers(t.align if t else None for t in tls),
            "tls_static": _booleans(t.static if t else None for t in tls),
            "exec_stack": _booleans(facts.exec_stack for facts in each),
            "initializers": _integers(i.init_array + i.has_init for i in init),
            "build_id": strings(facts.build_id for facts in each),
        }
    )


def _needed(objects: Sequence[ObjectFacts]) -> Table:
    rows = [(at, place, name) for at, facts in enumerate(objects) for place, name in enumerate(facts.needed)]
    return Table.from_pydict(
        {
            "object": _integers(row[0] for row in rows),
            "position": _integers(row[1] for row in rows),
            "library": strings(row[2] for row in rows),
        }
    )


def _versions(objects: Sequence[ObjectFacts]) -> Table:
    rows = [
        (at, version.file, version.name, version.weak)
        for at, facts in enumerate(objects)
        for version in sorted(facts.versions, key=lambda entry: entry.index)
    ]
    return Table.from_pydict(
        {
            "object": _integers(row[0] for row in rows),
            "library": strings(row[1] for row in rows),
            "version": strings(row[2] for row in rows),
            "weak": _booleans(row[3] for row in rows),
        }
    )


def _symbols(objects: Sequence[ObjectFacts], names: Sequence[Any]) -> Table:
    parts = [facts.symbols for facts in objects]
    lengths = [len(part.key) for part in parts]

    def column(name: str, dtype: type[np.generic]) -> NDArray[Any]:
        return np.concatenate([np.empty(0, dtype), *(getattr(part, name) for part in parts)])

    info, other = column("info", np.uint8), column("other", np.uint8)
    versions = ChunkedArray([*(_version_names(facts) for facts in objects), strings([])])
    empty = [strings([])]
    return Table.from_pydict(
        {
            "object": _numbers(np.repeat(np.arange(len(parts), dtype=np.int32), lengths)),
            "row": _numbers(np.concatenate([np.empty(0, np.uint32), *map(_count, lengths)])),
            "name": ChunkedArray([*names, *empty]).combine_chunks(),
            "version": versions.combine_chunks(),
            "default_version": Array.from_numpy(column("versym", np.uint16) & _HIDDEN == 0),
            "defined": Array.from_numpy(column("shndx", np.uint16) != 0),
            "binding": _coded(BINDINGS, info >> 4),
            "type": _coded(TYPES, info & 15),
            "visibility": _coded(VISIBILITIES, other & 3),
            "place": _coded(_PLACES, column("place", np.uint8)),
            "value": _numbers(column("value", np.uint64)),
            "size": _numbers(column("size", np.uint64)),
        }
    )


def _version_names(facts: ObjectFacts) -> Any:
    """Return the version of each symbol, null for none."""
    texts: list[str | None] = [None, *(version.name for version in facts.versions)]
    place = np.zeros(_HIDDEN, dtype=np.uint32)
    for at, version in enumerate(facts.versions, 1):
        place[version.index & ~_HIDDEN] = at
    return pick(texts, place[facts.symbols.versym & ~np.uint16(_HIDDEN)])


def _references(objects: Sequence[ObjectFacts]) -> Table:
    parts = [facts.references for facts in objects]
    symbol = np.concatenate([np.empty(0, np.uint32), *(part.symbol for part in parts)])
    return Table.from_pydict(
        {
            "object": _numbers(np.repeat(np.arange(len(parts), dtype=np.int32), [len(part.symbol) for part in parts])),
            "symbol": _numbers(symbol),
            "kind": _coded(_KINDS, np.concatenate([np.empty(0, np.uint8), *(part.kind for part in parts)])),
            "count": _numbers(np.concatenate([np.empty(0, np.uint32), *(part.count for part in parts)])),
        }
    )


def _keys(wheel: WheelFacts) -> NDArray[np.uint64]:
    return np.concatenate([np.empty(0, np.uint64), *(facts.symbols.key for facts in wheel.objects)])


def _count(length: int) -> NDArray[np.uint32]:
    return np.arange(length, dtype=np.uint32)


def _coded(texts: dict[int, str], codes: NDArray[np.integer]) -> Any:
    return pick([texts.get(code, str(code)) for code in range(256)], codes)


def _numbers(values: NDArray[Any]) -> Any:
    return Array.from_numpy(np.ascontiguousarray(values))


def _integers(values: Iterable[int | None]) -> Any:
    return Array(list(values), type=DataType.int64())


def _booleans(values: Iterable[bool | None]) -> Any:
    return Array(list(values), type=DataType.bool())

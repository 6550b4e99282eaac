"""Facts and name tables made up by hypothesis, and how to compare facts that hold arrays."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np
from hypothesis import strategies as st

from abiclash.errors import NotAnalysed
from abiclash.facts.model import (
    Initializers,
    ObjectFacts,
    References,
    Symbols,
    Tls,
    Version,
    WheelFacts,
    WheelFile,
)
from abiclash.facts.names_table import NameTable
from abiclash.names import name_keys

TEXT = st.text(max_size=12) | st.just("\udcff surrogate").filter(bool)
_U64 = st.integers(0, 2**64 - 1)
_VERSION = st.builds(
    Version,
    index=st.integers(2, 0x7FFF),
    name=TEXT,
    hash=st.integers(0, 2**32 - 1),
    file=st.none() | TEXT,
    hidden=st.booleans(),
    weak=st.booleans(),
)


def same(one: object, other: object) -> bool:
    """Tell whether facts are equal: values, and types and contents of arrays."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    if is_dataclass(one) and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@st.composite
def symbols(draw: st.DrawFn) -> Symbols:
    """Return made-up symbols; only the column types are real."""
    rows = draw(st.integers(0, 6))

    def column(dtype: type[np.generic], high: int) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(0, high), min_size=rows, max_size=rows)), dtype=dtype)

    return Symbols(
        key=np.sort(column(np.uint64, 2**64 - 1)),
        index=column(np.uint32, 2**32 - 1),
        versym=column(np.uint16, 2**16 - 1),
        info=column(np.uint8, 255),
        other=column(np.uint8, 255),
        shndx=column(np.uint16, 2**16 - 1),
        value=column(np.uint64, 2**64 - 1),
        size=column(np.uint64, 2**64 - 1),
        place=column(np.uint8, 7),
        hashed=column(np.bool_, 1),
    )


@st.composite
def objects(draw: st.DrawFn, path: str = "demo/_demo.so") -> ObjectFacts:
    """Return made-up facts of an object."""
    rows = draw(st.integers(0, 5))
    initial = draw(st.sets(st.integers(0, max(rows - 1, 0)), max_size=rows))
    texts = st.lists(TEXT, max_size=3).map(tuple)
    versions = st.lists(_VERSION, max_size=3).map(tuple)
    return ObjectFacts(
        path=path,
        size=draw(_U64),
        bits=draw(st.sampled_from([32, 64])),
        little=draw(st.booleans()),
        machine=62,
        type=3,
        osabi=draw(st.integers(0, 255)),
        soname=draw(st.none() | TEXT),
        needed=draw(texts),
        rpath=draw(st.none() | TEXT),
        runpath=draw(st.none() | TEXT),
        auxiliary=draw(texts),
        filter=draw(texts),
        flags=draw(_U64),
        flags_1=draw(_U64),
        has_dynamic=draw(st.booleans()),
        interp=draw(st.none() | TEXT),
        has_versym=draw(st.booleans()),
        versions=draw(versions),
        needs=draw(st.lists(st.tuples(TEXT, versions), max_size=2).map(tuple)),
        base_version=draw(st.none() | TEXT),
        has_hash=draw(st.booleans()),
        exec_stack=draw(st.none() | st.booleans()),
        tls=draw(st.none() | st.builds(Tls, size=_U64, align=_U64, static=st.booleans())),
        init=Initializers(
            has_init=draw(st.booleans()),
            has_fini=draw(st.booleans()),
            init_array=draw(st.integers(0, 9)),
            fini_array=draw(st.integers(0, 9)),
            references=np.array(sorted(initial) if rows else [], dtype=np.uint32),
        ),
        producers=draw(texts),
        build_id=draw(st.none() | st.just("0a1b")),
        runtimes=draw(texts),
        dlopen_notes=draw(st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=2).map(tuple)),
        modules=draw(texts),
        strings=draw(st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)),
        symbols=draw(symbols()),
        references=References(
            symbol=np.arange(rows, dtype=np.uint32),
            kind=np.full(rows, draw(st.integers(0, 5)), dtype=np.uint8),
            count=np.full(rows, draw(st.integers(1, 2**32 - 1)), dtype=np.uint32),
        ),
    )


@st.composite
def wheels(draw: st.DrawFn, sha256: str = "ab" * 32) -> WheelFacts:
    """Return made-up facts of a wheel."""
    texts = st.lists(TEXT, max_size=3).map(tuple)
    return WheelFacts(
        name="demo",
        version=draw(TEXT),
        filename="demo-1.0-py3-none-any.whl",
        sha256=sha256,
        tags=draw(texts),
        root_is_purelib=draw(st.booleans()),
        requires=draw(texts),
        requires_python=draw(st.none() | TEXT),
        modules=draw(texts),
        files=draw(st.lists(st.builds(WheelFile, path=TEXT, size=st.none() | _U64, hash=TEXT), max_size=3).map(tuple)),
        objects=tuple(draw(objects(f"demo/_{number}.so")) for number in range(draw(st.integers(0, 3)))),
        not_analysed=draw(st.lists(st.builds(NotAnalysed, what=TEXT, reason=TEXT), max_size=2).map(tuple)),
        members=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
    )


@st.composite
def name_tables(draw: st.DrawFn) -> NameTable:
    """Return names at arbitrary places of a string table: with gaps, overlapping, the same one twice."""
    table = np.frombuffer(draw(st.binary(min_size=1, max_size=80)), dtype=np.uint8)
    spans = draw(st.lists(st.tuples(st.integers(0, len(table)), st.integers(0, 30)), max_size=12))
    start = np.array([at for at, _ in spans], dtype=np.uint32)
    length = np.array([min(size, len(table) - at) for at, size in spans], dtype=np.uint32)
    return sorted_names(table, start, length)


def sorted_names(table: np.ndarray, start: np.ndarray, length: np.ndarray) -> NameTable:
    """Return a name table of spans, sorted by key as `read_object` does."""
    key = name_keys(table, start, length) if len(start) else np.empty(0, dtype=np.uint64)
    order = np.argsort(key, kind="stable")
    return NameTable(key[order], start[order], length[order], table)

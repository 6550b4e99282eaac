"""The fast reader: one ELF file -> its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from abiclash.facts import dynamic as d
from abiclash.facts.dynamic import Dynamic, StringTable, read_dynamic
from abiclash.facts.fingerprints import read_runtimes
from abiclash.facts.image import PF_X, PT_GNU_STACK, PT_INTERP, PT_TLS, Image
from abiclash.facts.initializers import read_initializers
from abiclash.facts.model import ObjectFacts, Tls
from abiclash.facts.names_table import Prefixes
from abiclash.facts.notes import read_notes, read_producers
from abiclash.facts.relocations import read_references, read_relocations
from abiclash.facts.strings import classes_needed, read_strings, uses_environment
from abiclash.facts.tables import read_symbols
from abiclash.facts.text import read_only, read_texts
from abiclash.facts.versions import read_versions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from abiclash.facts.names_table import NameTable
    from abiclash.facts.ranges import Ranges
    from abiclash.facts.relocations import Reading, Relocations
    from abiclash.facts.tables import SymbolTable


def read_object(ranges: Ranges, path: str) -> tuple[ObjectFacts, NameTable]:
    """Return the facts of an ELF file and the names of its symbols, row by row.

    ranges: at least what `layout.wanted` asks for. path: how the facts call the file.
    Raises ElfError with the offset and the reason where the file is damaged.
    """
    image = Image(ranges)
    dynamic = read_dynamic(image)
    found = dynamic or Dynamic({}, StringTable(np.empty(0, dtype=np.uint8)))
    relocations = read_relocations(image, found)
    table = read_symbols(image, found, relocations.highest)
    reading = read_references(image, relocations, table)
    regions = read_only(image) if dynamic else []
    read = _Read(path, found, dynamic is not None, relocations, table, reading, regions)
    return _facts(image, read), table.names


class _Read(NamedTuple):
    """What has been read of a file, and what it is called."""

    path: str
    dynamic: Dynamic
    has_dynamic: bool
    relocations: Relocations
    table: SymbolTable
    reading: Reading
    regions: list[NDArray[np.uint8]]


def _facts(image: Image, read: _Read) -> ObjectFacts:
    """Read what depends on the tables, and put everything together."""
    found, table, header = read.dynamic, read.table, image.header
    versions, (build_id, dlopen_notes) = read_versions(image, found), read_notes(image)
    runtimes, modules, strings = _text(table, read.regions)
    return ObjectFacts(
        path=read.path,
        size=image.ranges.size,
        bits=header.bits,
        little=header.little,
        machine=header.machine,
        type=header.type,
        osabi=header.osabi,
        soname=found.text(d.DT_SONAME),
        needed=found.texts(d.DT_NEEDED),
        rpath=found.text(d.DT_RPATH),
        runpath=found.text(d.DT_RUNPATH),
        auxiliary=found.texts(d.DT_AUXILIARY),
        filter=found.texts(d.DT_FILTER),
        flags=found.flags,
        flags_1=found.get(d.DT_FLAGS_1),
        has_dynamic=read.has_dynamic,
        interp=_interp(image),
        has_versym=found.has(d.DT_VERSYM),
        versions=versions.by_index,
        needs=versions.needs,
        base_version=versions.base,
        has_hash=table.has_hash,
        exec_stack=_exec_stack(image),
        tls=_tls(image, static=read.reading.static_tls or bool(found.flags & d.DF_STATIC_TLS)),
        init=read_initializers(image, found, read.relocations, read.reading, table.symbols),
        producers=read_producers(image),
        build_id=build_id,
        runtimes=runtimes,
        dlopen_notes=dlopen_notes,
        modules=modules,
        strings=strings,
        symbols=table.symbols,
        references=read.reading.references,
    )


def _text(
    table: SymbolTable, regions: list[NDArray[np.uint8]]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return `runtimes`, `modules` and `strings` of `ObjectFacts`."""
    defined = Prefixes(table.names, np.flatnonzero(table.symbols.shndx))
    extension = len(defined.find(b"PyInit_")) > 0
    environment = uses_environment(table.symbols.key)
    texts = read_texts(regions, classes_needed(extension=extension, environment=environment))
    modules, strings = read_strings(regions, texts, extension=extension, environment=environment)
    return read_runtimes(table.symbols, table.names, defined, texts), modules, strings


def _interp(image: Image) -> str | None:
    """Return PT_INTERP, the dynamic linker that an executable asks for."""
    segment = image.segment(PT_INTERP)
    if segment is None:
        return None
    raw = image.ranges.read(segment.offset, min(segment.filesz, 4096)).tobytes()
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _exec_stack(image: Image) -> bool | None:
    """Tell whether PT_GNU_STACK asks for an executable stack; None where it is absent."""
    segment = image.segment(PT_GNU_STACK)
    return None if segment is None else bool(segment.flags & PF_X)


def _tls(image: Image, *, static: bool) -> Tls | None:
    """Return the TLS segment; an object that only uses others' initial-exec TLS has one of size 0."""
    segment = image.segment(PT_TLS)
    if segment is None:
        return Tls(0, 1, static=True) if static else None
    return Tls(segment.memsz, segment.align, static)

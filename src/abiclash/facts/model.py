"""What abiclash keeps of an ELF object and of a wheel.

Facts of an object never depend on other objects. Everything per symbol or per relocation is a numpy array;
Python objects exist per object and per library name only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from abiclash.errors import NotAnalysed

SCHEMA = 2
"""Version of the facts: part of every key of the store, raised whenever their meaning changes."""


class Reloc(IntEnum):
    """How a relocation uses its symbol; glibc's type class follows from it (elf_machine_type_class)."""

    DATA = 0  # GLOB_DAT, absolute and relative words: type class 0
    PLT = 1  # JUMP_SLOT: ELF_RTYPE_CLASS_PLT
    COPY = 2  # COPY: ELF_RTYPE_CLASS_COPY
    TLS_GD = 3  # DTPMOD, DTPOFF (general dynamic): class PLT
    TLS_IE = 4  # TPOFF (initial exec): class PLT
    TLS_DESC = 5  # TLSDESC: class PLT


class Place(IntEnum):
    """Where the bytes of a defined symbol live, from the program headers."""

    NONE = 0  # undefined, or outside every segment
    ABS = 1  # SHN_ABS
    CODE = 2  # executable segment
    RODATA = 3  # read-only, not executable
    RELRO = 4  # writable while relocating, read-only afterwards (PT_GNU_RELRO)
    DATA = 5  # writable, with content in the file
    BSS = 6  # writable, zero at start
    TLS = 7  # thread-local (value is an offset in PT_TLS)


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of glibc's l_versions: what an index in the versym table means.

    file: the library that DT_VERNEED names, or None for a version that the object defines (DT_VERDEF).
    hidden: bit 15 of vna_other; weak: VER_FLG_WEAK. Index 1 (VER_FLG_BASE) has no entry: it is no version.
    hash: vna_hash or vd_hash as stored in the file.
    """

    index: int
    name: str
    hash: int
    file: str | None
    hidden: bool = False
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Symbols:
    """Non-local entries of .dynsym with a name, sorted by (key, index). All arrays have one length n.

    key: uint64, `names.name_keys` of the name.
    index: uint32, index in .dynsym.
    versym: uint16, raw entry of .gnu.version with its hidden bit 0x8000; 1 where the object has no such table.
    info: uint8 st_info. other: uint8 st_other. shndx: uint16 st_shndx. value, size: uint64.
    place: uint8 `Place`. hashed: bool, reachable through DT_GNU_HASH or DT_HASH (what the linker can find).
    """

    key: NDArray[np.uint64]
    index: NDArray[np.uint32]
    versym: NDArray[np.uint16]
    info: NDArray[np.uint8]
    other: NDArray[np.uint8]
    shndx: NDArray[np.uint16]
    value: NDArray[np.uint64]
    size: NDArray[np.uint64]
    place: NDArray[np.uint8]
    hashed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class References:
    """Relocations against a symbol, one row for each distinct (symbol, kind), in the order ld.so first meets it.

    (DT_RELR and DT_RELA/DT_REL first, then DT_JMPREL.) Symbols that bind locally (STB_LOCAL, hidden, internal)
    are not looked up by ld.so and are left out.
    symbol: uint32, row in the object's `Symbols`. kind: uint8 `Reloc`. count: uint32, relocations in this row.
    """

    symbol: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    count: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Initializers:
    """What runs by itself when the object is loaded and unloaded, and what it can reach as far as that shows.

    has_init, has_fini: DT_INIT, DT_FINI. init_array, fini_array: number of entries.
    references: uint32 rows of `References` whose relocated word or PLT slot is used inside an initializer
    function, as far as it can be read off the code without executing it; empty where it cannot.
    """

    has_init: bool
    has_fini: bool
    init_array: int
    fini_array: int
    references: NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Tls:
    """PT_TLS. size: p_memsz, align: p_align, both in bytes. static: DF_STATIC_TLS, or a TPOFF relocation."""

    size: int
    align: int
    static: bool


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """Facts of one ELF file.

    path: member name inside its wheel, or an absolute path on a host.
    size: bytes of the file. bits: 32 or 64. little: byte order. machine: e_machine. type: e_type. osabi: EI_OSABI.
    soname ... needed: DT_SONAME, DT_NEEDED in order; rpath, runpath: unexpanded, or None where absent.
    auxiliary, filter: DT_AUXILIARY, DT_FILTER. flags, flags_1: DT_FLAGS, DT_FLAGS_1 (DT_SYMBOLIC and
    DT_BIND_NOW are folded into flags as DF_SYMBOLIC and DF_BIND_NOW).
    has_dynamic: PT_DYNAMIC is there (a relocatable or static file has none). interp: PT_INTERP.
    has_versym: DT_VERSYM is there. versions: by index (see `Version`). needs: the verneed entries in file order,
    as (file, versions); a version that is needed but that no symbol uses counts too. base_version: name of the
    VER_FLG_BASE verdef.
    has_hash: the linker can find symbols in it at all.
    exec_stack: PT_GNU_STACK asks for PF_X; None where the header is absent.
    producers: distinct strings of .comment. build_id: hex. runtimes: fingerprints of statically linked runtimes,
    as `name` or `name version`. dlopen_notes: .note.dlopen, as decoded JSON. modules: dotted names found among
    the read-only strings, candidates for modules that it imports from C. strings: other read-only strings that a
    rule needs (type names, registry keys, versions), as (kind, text).
    """

    path: str
    size: int
    bits: int
    little: bool
    machine: int
    type: int
    osabi: int
    soname: str | None
    needed: tuple[str, ...]
    rpath: str | None
    runpath: str | None
    auxiliary: tuple[str, ...]
    filter: tuple[str, ...]
    flags: int
    flags_1: int
    has_dynamic: bool
    interp: str | None
    has_versym: bool
    versions: tuple[Version, ...]
    needs: tuple[tuple[str, tuple[Version, ...]], ...]
    base_version: str | None
    has_hash: bool
    exec_stack: bool | None
    tls: Tls | None
    init: Initializers
    producers: tuple[str, ...]
    build_id: str | None
    runtimes: tuple[str, ...]
    dlopen_notes: tuple[object, ...]
    modules: tuple[str, ...]
    strings: tuple[tuple[str, str], ...]
    symbols: Symbols
    references: References


@dataclass(frozen=True, slots=True)
class WheelFile:
    """One RECORD line: installed path relative to site-packages, size in bytes (None where unstated), hash or ''."""

    path: str
    size: int | None
    hash: str


@dataclass(frozen=True, slots=True)
class WheelFacts:
    """Facts of one wheel.

    name: normalised project name. filename: of the wheel. sha256: of the wheel file, hex.
    tags: expanded compatibility tags. root_is_purelib: of WHEEL. requires: Requires-Dist. requires_python.
    modules: importable top-level names that it installs. files: what it installs, paths relative to
    site-packages (*.data/purelib and platlib folded in). objects: each ELF member, `path` = installed path.
    members: installed path -> member name in the zip, where they differ.
    """

    name: str
    version: str
    filename: str
    sha256: str
    tags: tuple[str, ...]
    root_is_purelib: bool
    requires: tuple[str, ...]
    requires_python: str | None
    modules: tuple[str, ...]
    files: tuple[WheelFile, ...]
    objects: tuple[ObjectFacts, ...]
    not_analysed: tuple[NotAnalysed, ...]
    members: dict[str, str] = field(default_factory=dict)

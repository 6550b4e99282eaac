"""The fast reader on small libraries whose contents are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import ElfError
from abiclash.facts.elf import read_object
from abiclash.facts.layout import HEAD, wanted
from abiclash.facts.model import ObjectFacts, Place, Reloc, Tls
from abiclash.facts.ranges import Ranges
from tests.facts.compare import names
from tests.facts.elf_files import read

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.names_table import NameTable
    from tests.facts.elf_files import ElfFixtures

pytestmark = pytest.mark.compiler

GLOBAL, WEAK, UNIQUE = 1, 2, 10
OBJECT, FUNC = 1, 2


def symbol(found: tuple[ObjectFacts, NameTable], name: str, *, occurrence: int = 0) -> dict[str, int]:
    """Return the columns of one symbol."""
    row = [at for at, other in enumerate(names(found[1])) if other == name.encode()][occurrence]
    columns = found[0].symbols
    shown = ("versym", "info", "other", "shndx", "size", "place", "hashed", "index")
    return {column: int(getattr(columns, column)[row]) for column in shown}


def uses(found: tuple[ObjectFacts, NameTable]) -> dict[tuple[str, Reloc], int]:
    """Return the references as (name, kind) -> count, in order."""
    references = found[0].references
    columns = zip(references.symbol.tolist(), references.kind.tolist(), references.count.tolist(), strict=True)
    return {(found[1].name(row).decode(), Reloc(kind)): count for row, kind, count in columns}


def test_bindings_and_places(elf_fixtures: ElfFixtures) -> None:
    found = elf_fixtures.read("bindings")
    assert symbol(found, "strong")["info"] == GLOBAL << 4 | OBJECT
    assert symbol(found, "weak")["info"] == WEAK << 4 | OBJECT
    assert symbol(found, "weak_function")["info"] == WEAK << 4 | FUNC
    assert symbol(found, "protected_")["other"] & 3 == 3
    assert b"hidden" not in names(found[1])
    places = {name: Place(symbol(found, name)["place"]) for name in ("strong", "zero", "constant", "relocated")}
    assert places == {"strong": Place.DATA, "zero": Place.BSS, "constant": Place.RODATA, "relocated": Place.RELRO}
    assert Place(symbol(found, "uses")["place"]) is Place.CODE
    assert symbol(found, "elsewhere")["shndx"] == 0
    assert Place(symbol(found, "elsewhere")["place"]) is Place.NONE
    assert symbol(found, "zero")["size"] == 64


def test_only_definitions_are_in_the_hash_table(elf_fixtures: ElfFixtures) -> None:
    found = elf_fixtures.read("bindings")
    assert symbol(found, "strong")["hashed"]
    assert not symbol(found, "elsewhere")["hashed"]
    everything = elf_fixtures.read("sysv-hash")
    assert everything[0].has_hash
    assert symbol(everything, "elsewhere")["hashed"], "DT_HASH holds undefined symbols too; st_shndx tells them apart"
    both = elf_fixtures.read("both-hashes")
    assert not symbol(both, "elsewhere")["hashed"], "glibc prefers DT_GNU_HASH where there are both"


def test_references_count_their_relocations(elf_fixtures: ElfFixtures) -> None:
    found = uses(elf_fixtures.read("bindings"))
    assert found["other_function", Reloc.DATA] == 2
    assert found["other_function", Reloc.PLT] == 1
    assert found["maybe", Reloc.DATA] == 1
    assert ("hidden_function", Reloc.PLT) not in found
    kinds = [kind for _, kind in found]
    assert kinds.index(Reloc.PLT) > max(at for at, kind in enumerate(kinds) if kind is Reloc.DATA), "DT_JMPREL is last"


def test_unique(elf_fixtures: ElfFixtures) -> None:
    assert symbol(elf_fixtures.read("unique"), "_ZN7CounterIlE5countE")["info"] >> 4 == UNIQUE


def test_versions(elf_fixtures: ElfFixtures) -> None:
    found = elf_fixtures.read("versions")
    by_name = {version.name: version for version in found[0].versions}
    assert set(by_name) == {"ONE", "TWO"}
    assert found[0].base_version == "libversions.so"
    assert by_name["ONE"].file is None
    both = [symbol(found, "answer", occurrence=at)["versym"] for at in (0, 1)]
    assert sorted(both) == sorted([by_name["ONE"].index | 0x8000, by_name["TWO"].index])


def test_needed_versions(elf_fixtures: ElfFixtures) -> None:
    facts, _ = found = elf_fixtures.read("versions-user")
    (needs,) = facts.needs
    assert (needs[0], {version.name for version in needs[1]}) == ("libversions.so", {"ONE", "TWO"})
    two = next(version for version in facts.versions if version.name == "TWO")
    assert (two.file, two.hash) == ("libversions.so", 0x59BF)
    assert symbol(found, "answer")["versym"] == two.index


def test_without_versions_the_column_says_global(elf_fixtures: ElfFixtures) -> None:
    facts, _ = elf_fixtures.read("32-bit")
    assert not facts.has_versym
    assert set(facts.symbols.versym.tolist()) == {1}


@pytest.mark.parametrize(
    ("kind", "reloc", "static"),
    [
        ("tls-global-dynamic", Reloc.TLS_GD, False),
        ("tls-initial-exec", Reloc.TLS_IE, True),
        ("tls-descriptors", Reloc.TLS_DESC, False),
    ],
)
def test_tls_models(elf_fixtures: ElfFixtures, kind: str, reloc: Reloc, *, static: bool) -> None:
    found = elf_fixtures.read(kind)
    assert found[0].tls is not None
    assert (found[0].tls.static, found[0].tls.size >= 104) == (static, True)
    assert {used for name, used in uses(found) if name == "other"} == {reloc}
    assert Place(symbol(found, "own")["place"]) is Place.TLS


def test_use_of_anothers_initial_exec_variable_is_static_tls(elf_fixtures: ElfFixtures) -> None:
    source = 'extern __thread int a __attribute__((tls_model("initial-exec"))); int *f(void) { return &a; }'
    facts, _ = read(elf_fixtures.builder.library("libie.so", source))
    assert facts.tls == Tls(0, 1, static=True)


def test_undefined_symbols_of_a_library_without_definitions_are_counted(elf_fixtures: ElfFixtures) -> None:
    path = elf_fixtures.build("undefined-only")
    raw = bytearray(path.read_bytes())
    raw[0x28:0x30] = bytes(8)  # e_shoff
    raw[0x3C:0x3E] = bytes(2)  # e_shnum
    stripped = read_object(Ranges.whole(bytes(raw)), "stripped")
    assert set(uses(stripped)) == {("a", Reloc.PLT), ("b", Reloc.PLT)}
    assert uses(stripped) == uses(read(path))


def test_program(elf_fixtures: ElfFixtures) -> None:
    found = elf_fixtures.read("copy-program")
    assert uses(found)["strong", Reloc.COPY] == 1
    assert found[0].interp is not None
    assert "/ld-" in found[0].interp
    assert found[0].type == 2


def test_notes_and_stack(elf_fixtures: ElfFixtures) -> None:
    facts, _ = elf_fixtures.read("notes")
    assert facts.build_id == "00ff17"
    assert facts.dlopen_notes == ({"soname": ["liblzma.so.5"], "feature": "lzma", "priority": "suggested"},)
    assert facts.exec_stack is True
    assert elf_fixtures.read("bindings")[0].exec_stack is False


def test_dynamic_tags(elf_fixtures: ElfFixtures) -> None:
    flags = ["-Wl,-Bsymbolic,-z,now,-z,nodelete", "-Wl,--auxiliary,libaux.so,--filter,libfilter.so"]
    library = elf_fixtures.builder.library("libtags.so", "int x;", rpath="$ORIGIN/../lib", flags=flags)
    facts, _ = read(library)
    assert (facts.soname, facts.needed, facts.rpath, facts.runpath) == (
        "libtags.so",
        ("libc.so.6",),
        "$ORIGIN/../lib",
        None,
    )
    assert (facts.auxiliary, facts.filter) == (("libaux.so",), ("libfilter.so",))
    assert facts.flags & 0b1010 == 0b1010, "DF_SYMBOLIC and DF_BIND_NOW"
    assert facts.flags_1 & 8, "DF_1_NODELETE"
    other, _ = read(elf_fixtures.builder.library("libtags.so", "int x;", runpath="/r", soname=""))
    assert (other.soname, other.rpath, other.runpath) == (None, None, "/r")


def test_initializers_are_counted(elf_fixtures: ElfFixtures) -> None:
    source = "__attribute__((constructor)) void a(void) {} __attribute__((constructor)) void b(void) {}"
    source += "__attribute__((destructor)) void c(void) {}"
    init = read(elf_fixtures.builder.library("libinit.so", source, flags=["-nostdlib"]))[0].init
    assert (init.has_init, init.has_fini, init.init_array, init.fini_array) == (False, False, 2, 1)


@pytest.mark.parametrize("kind", ["relocatable", "static-program"])
def test_without_dynamic_section(elf_fixtures: ElfFixtures, kind: str) -> None:
    facts, table = elf_fixtures.read(kind)
    assert (facts.has_dynamic, facts.has_hash, len(table), facts.needed) == (False, False, 0, ())
    assert facts.producers
    assert facts.producers[0].startswith("GCC: ")


def test_class_and_byte_order(elf_fixtures: ElfFixtures) -> None:
    facts, _ = elf_fixtures.read("32-bit")
    assert (facts.bits, facts.little, facts.machine) == (32, True, 3)


@pytest.mark.parametrize("kind", ["bindings", "versions", "tls-initial-exec", "notes", "copy-program", "relocatable"])
def test_wanted_ranges_suffice(elf_fixtures: ElfFixtures, kind: str) -> None:
    path = elf_fixtures.build(kind)
    raw = path.read_bytes()
    kept = [(offset, raw[offset : offset + length]) for offset, length in wanted(raw[:HEAD], len(raw))]
    partial, whole = read_object(Ranges(len(raw), kept), str(path)), read(path)
    assert names(partial[1]) == names(whole[1])
    assert partial[0].producers == whole[0].producers


def test_not_elf(tmp_path: Path) -> None:
    with pytest.raises(ElfError, match="no ELF magic"):
        read_object(Ranges.whole(b"#!/bin/sh\n"), str(tmp_path))
    with pytest.raises(ElfError, match="no ELF magic"):
        wanted(b"PK", 2)

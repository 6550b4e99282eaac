"""What dlerror() says, word for word, for each way in which a load can fail."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import LoadFailure
from abiclash.linker.load_checks import DF_1_NOOPEN, DF_1_PIE
from tests.linker.assembly import Assembler, Definition, Machine, Object, Reference
from tests.linker.judge import LAZY, NOW
from tests.linker.patching import patch_dynamic, patch_header, patch_segment, spoil_need
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.linker.conftest import Build
    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
I386 = Machine("i686", "", {}, ".long", 4, assembler=("--32",), linker=("-m", "elf_i386"))
PLAIN = Object("lib.so", "lib.so", (), (Definition("f"),))
NO_FILE = "cannot open shared object file: No such file or directory"


@dataclass(frozen=True)
class Damage:
    """said: the message behind the path. change: done to a sound library."""

    said: str
    change: Callable[[Path], object]


DAMAGE = {
    "an empty file": Damage("file too short", lambda path: path.write_bytes(b"")),
    "a file shorter than the header": Damage("file too short", lambda path: path.write_bytes(b"\x7fELF\x02\x01\x01")),
    "a text": Damage("invalid ELF header", lambda path: path.write_text("INPUT(libc.so.6)\n" * 8)),
    "a wrong magic": Damage("invalid ELF header", partial(patch_header, offset=0, data=b"\x7fELS")),
    "another byte order": Damage(
        "ELF file data encoding not little-endian", partial(patch_header, offset=5, data=b"\2")
    ),
    "another operating system": Damage("ELF file OS ABI invalid", partial(patch_header, offset=7, data=b"\x09")),
    "another ELF version": Damage(
        "ELF file version ident does not match current one", partial(patch_header, offset=6, data=b"\2")
    ),
    "another object version": Damage(
        "ELF file version does not match current one", partial(patch_header, offset=20, data=b"\2\0\0\0")
    ),
    "another ABI version": Damage("ELF file ABI version invalid", partial(patch_header, offset=8, data=b"\1")),
    "padding": Damage("nonzero padding in e_ident", partial(patch_header, offset=12, data=b"\1")),
    "other program headers": Damage(
        "ELF file's phentsize not the expected size", partial(patch_header, offset=54, data=b"\x40\0")
    ),
    "another machine": Damage(NO_FILE, partial(patch_header, offset=18, data=b"\xb7\0")),
    "a core file": Damage("only ET_DYN and ET_EXEC can be loaded", partial(patch_header, offset=16, data=b"\4\0")),
    "no dynamic segment": Damage(
        "object file has no dynamic section", partial(patch_segment, kind="PT_DYNAMIC", type_=0)
    ),
    "an executable": Damage("cannot dynamically load executable", partial(patch_header, offset=16, data=b"\2\0")),
    "a static executable": Damage(
        "cannot dynamically load executable",
        lambda path: (patch_segment(path, "PT_DYNAMIC", type_=0), patch_header(path, 16, b"\2\0")),  # type: ignore[func-returns-value]
    ),
}


@pytest.mark.parametrize("asked", ["by path", "by name", "by symbolic link", "as a dependency"])
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_refused_in_these_words(build: Build, judge: Judge, name: str, asked: str) -> None:
    """Errors of open_verify name the path it opened, later ones the name that was asked for."""
    lib = build(PLAIN)
    DAMAGE[name].change(lib)
    top = build(Object("top.so", "top.so", ("lib.so",), (), (), runpath="$ORIGIN"))
    link = lib.with_name("link.so")
    link.symlink_to(lib)
    ways: dict[str, str | Path] = {
        "by path": lib,
        "by name": "lib.so",
        "by symbolic link": link,
        "as a dependency": top,
    }
    trial = judge.ask(ways[asked], environ={"LD_LIBRARY_PATH": str(judge.folder)}).agree()
    assert trial.said[0].endswith(DAMAGE[name].said)


def test_a_file_where_a_directory_should_be(build: Build, judge: Judge) -> None:
    """What strerror() says shows in the message, but for a search: that goes on to other directories."""
    lib = build(PLAIN)
    top = build(Object("top.so", "top.so", ("inside.so",), runpath=f"{lib}"))
    said = judge.ask(lib / "inside.so", lib / "further" / "inside.so", top).agree().said
    assert [text.rpartition(": ")[2] for text in said] == ["Not a directory"] * 2 + ["No such file or directory"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (DF_1_PIE, "cannot dynamically load position-independent executable"),
        (DF_1_NOOPEN, "shared object cannot be dlopen()ed"),
        (DF_1_PIE | DF_1_NOOPEN, "cannot dynamically load position-independent executable"),
    ],
)
def test_some_flags_forbid_dlopen(build: Build, judge: Judge, flags: int, said: str) -> None:
    """DF_1_PIE and DF_1_NOOPEN."""
    lib = build(replace(PLAIN, options=("-z", "now")))
    patch_dynamic(lib, "DT_FLAGS_1", flags)
    assert judge.ask(lib).agree().said == (f"{lib}: {said}",)


def test_a_program_is_no_library(builder: Builder, judge: Judge) -> None:
    """Position-independent or not."""
    source = "int main(void) { return 0; }"
    programs = [builder.program("pie", source, flags=["-pie"]), builder.program("fixed", source, flags=["-no-pie"])]
    assert len(set(judge.ask(*programs).agree().said)) == 2


def test_a_relocatable_file_is_no_library(judge: Judge) -> None:
    """What `gcc -c` makes."""
    lib = judge.folder / "lib.o"
    subprocess.run(["as", "-o", str(lib)], input="nop\n", text=True, check=True)
    assert judge.ask(lib).agree().said == (f"{lib}: only ET_DYN and ET_EXEC can be loaded",)


@pytest.mark.parametrize("name", ["nowhere.so", "./nowhere.so", "/nowhere/at/all.so"])
def test_a_missing_library(judge: Judge, name: str) -> None:
    """By name and by path."""
    assert judge.ask(name).agree().said == (f"{name}: {NO_FILE}",)


def test_a_missing_dependency_is_named_and_not_its_user(build: Build, judge: Judge) -> None:
    """However deep."""
    build(Object("middle.so", "middle.so", ("nowhere.so",), runpath="$ORIGIN"))
    top = build(Object("top.so", "top.so", ("middle.so",), runpath="$ORIGIN"))
    assert judge.ask(top, top).agree().said == (f"nowhere.so: {NO_FILE}",) * 2


def test_the_wrong_class(judge: Judge, build: Build) -> None:
    """A search goes on past such files; when it finds no other, that is the reason."""
    folder = judge.folder
    small = Assembler(folder, I386).build(replace(PLAIN, file="small/lib.so"))
    build(replace(PLAIN, file="large/lib.so"))
    path = {"LD_LIBRARY_PATH": f"{folder}/small"}
    trial = judge.ask(small, "lib.so", environ=path).agree()
    assert trial.said == (f"{small}: wrong ELF class: ELFCLASS32", "lib.so: wrong ELF class: ELFCLASS32")
    assert judge.ask("lib.so", environ={"LD_LIBRARY_PATH": f"{folder}/small:{folder}/large"}).agree().said == (
        "opened",
    )


def test_the_wrong_machine_is_passed_over(judge: Judge, build: Build) -> None:
    """And counts as no file at all."""
    other = build(replace(PLAIN, file="other/lib.so"))
    patch_header(other, 18, b"\xb7\0")
    build(replace(PLAIN, file="right/lib.so"))
    folder = judge.folder
    trial = judge.ask("lib.so", environ={"LD_LIBRARY_PATH": f"{folder}/other:{folder}/right"}).agree()
    assert trial.said == ("opened",)


def test_a_missing_version(build: Build, judge: Judge) -> None:
    """The library that lacks it comes first, and who requires it last."""
    lib = build(Object("lib.so", "lib.so", (), (Definition("f", version="V1"),), (), ("V1",)))
    wants = Reference("f", version="V2", library="lib.so")
    top = build(Object("top.so", "top.so", ("lib.so",), (), (wants,), runpath="$ORIGIN"))
    said = f"{lib}: version `V2' not found (required by {top})"
    assert judge.ask(top, lib, top).agree().said == (said, "opened", said)


def test_a_library_without_versions_passes_the_check(build: Build, judge: Judge) -> None:
    """Its symbols may still be missing: then with the version in the message."""
    build(Object("lib.so", "lib.so"))
    wants = Reference("f", version="V2", library="lib.so")
    top = build(Object("top.so", "top.so", ("lib.so",), (), (wants,), runpath="$ORIGIN"))
    assert judge.ask(top).agree().said == (f"{top}: undefined symbol: f, version V2",)


def test_an_undefined_symbol(build: Build, judge: Judge) -> None:
    """The first in relocation order: data before calls. The object that refers is named, not the opened one."""
    uses = (Reference("call", "call"), Reference("word"))
    low = build(Object("low.so", "low.so", (), (), uses))
    top = build(Object("top.so", "top.so", ("low.so",), (), (Reference("other"),), runpath="$ORIGIN"))
    assert judge.ask(top).agree().said == (f"{low}: undefined symbol: word",)


def test_a_weak_reference_may_stay_undefined(build: Build, judge: Judge) -> None:
    """It becomes 0."""
    lib = build(Object("lib.so", "lib.so", (), (), (Reference("f", weak=True), Reference("g", "call", weak=True))))
    assert judge.ask(lib, (lib, LAZY)).agree().said == ("opened", "opened")


def test_a_name_that_verneed_makes_up_ends_the_process(build: Build, judge: Judge) -> None:
    """Tools that rename a needed library and forget the version table do this."""
    build(Object("lib.so", "lib.so", (), (Definition("f", version="V1"),), (), ("V1",)))
    wants = Reference("f", version="V1", library="lib.so")
    top = build(Object("top.so", "top.so", ("lib.so",), (), (wants,), runpath="$ORIGIN"))
    spoil_need(top)
    trial = judge.ask(top)
    assert trial.said == trial.predicted_said
    assert trial.said[0].startswith("Inconsistency detected by ld.so: dl-version.c: ")


# -- executable stacks: this machine's glibc may be older than the rule (2.41), so it is stated from its source --------

REFUSED = "cannot enable executable stack as shared object requires: Invalid argument"


@pytest.mark.parametrize("stack", ["asked for", "not mentioned", "not asked for"])
@pytest.mark.parametrize("version", [(2, 36), (2, 41)])
@pytest.mark.parametrize("program", ["plain", "executable"])
def test_executable_stacks_since_glibc_2_41(
    builder: Builder, build: Build, judge: Judge, stack: str, version: tuple[int, int], program: str
) -> None:
    """_dl_map_object_from_fd: a stack that is not executable stays so; one that is already serves everyone."""
    lib = build(PLAIN)
    if stack == "asked for":
        patch_segment(lib, "PT_GNU_STACK", flags=7)
    elif stack == "not mentioned":
        patch_segment(lib, "PT_GNU_STACK", type_=0)
    flags = ["-Wl,-z,execstack"] if program == "executable" else []
    main = builder.program("program", "int main(void) { return 0; }", flags=flags)
    process = predict(judge, main, [(lib, NOW)], libc_version=version)
    refused = version >= (2, 41) and stack != "not asked for" and program == "plain"
    failure = process.events[-1].failure
    assert (failure.message if failure else None) == (f"{lib}: {REFUSED}" if refused else None)
    if version == judge.host.libc_version:
        judge.ask(lib, program=builder.program("same", _OPENER, flags=flags)).agree()


@pytest.mark.parametrize(
    ("setting", "needs", "said"),
    [
        (0, False, REFUSED),
        (0, True, "Fatal glibc error: executable stack is not allowed"),
        (1, False, REFUSED),
        (2, False, None),
    ],
)
def test_the_tunable_of_executable_stacks(
    builder: Builder, build: Build, judge: Judge, setting: int, needs: bool, said: str | None
) -> None:
    """glibc.rtld.execstack since 2.41: 0 forbids them, 1 lets the start decide, 2 makes the stack executable."""
    lib = build(PLAIN)
    patch_segment(lib, "PT_GNU_STACK", flags=7)
    flags = ["-Wl,-z,execstack"] if needs else []
    main = builder.program("program", "int main(void) { return 0; }", flags=flags)
    settings = {"libc_version": (2, 41), "tunables": {**judge.host.tunables, "rtld.execstack": setting}}
    if needs:
        with pytest.raises(LoadFailure, match=said):
            predict(judge, main, [], **settings)
        return
    failure = predict(judge, main, [(lib, NOW)], **settings).events[-1].failure
    assert (failure.reason if failure else None) == said


@pytest.mark.parametrize("present", [True, False])
def test_a_preload_that_cannot_be_loaded_is_left_out(build: Build, judge: Judge, *, present: bool) -> None:
    """But what a preload needs must be there."""
    top = build(Object("top.so", "top.so", () if present else ("nowhere.so",)))
    trial = judge.ask(top, environ={"LD_PRELOAD": f"/nowhere/at/all.so:{top}"}).agree()
    assert (trial.play.refused is None) == present


def test_an_object_that_dlopen_may_not_open_can_be_preloaded(build: Build, judge: Judge) -> None:
    """DF_1_NOOPEN forbids dlopen only, and only the first one."""
    lib = build(replace(PLAIN, options=("-z", "nodlopen")))
    assert judge.ask(lib).agree().said == (f"{lib}: shared object cannot be dlopen()ed",)
    assert judge.ask(lib, environ={"LD_PRELOAD": str(lib)}).agree().said == ("opened",)


_OPENER = """
#include <dlfcn.h>
#include <stdio.h>
int main(int n, char **words) { puts(dlopen(words[2], 2) ? "opened" : dlerror()); return 0; }
"""

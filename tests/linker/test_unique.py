"""STB_GNU_UNIQUE: one definition for the process (glibc elf/dl-lookup.c do_lookup_unique)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import DEEPBIND, GLOBAL, NOW

if TYPE_CHECKING:
    from abiclash.linker.link_map import Mode
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
UNIQUE, USE = (Definition("u", "unique"),), (Reference("u", "got"),)


def keeper(name: str, *needed: str, defines: tuple[Definition, ...] = UNIQUE) -> Object:
    """Describe a library that defines and uses `u`."""
    return Object(name, name, needed, defines, USE, runpath="$ORIGIN")


@pytest.mark.parametrize("mode", [NOW, DEEPBIND, GLOBAL])
def test_the_first_definition_that_was_bound_serves_all(build: Build, judge: Judge, mode: Mode) -> None:
    """Across RTLD_LOCAL, RTLD_DEEPBIND, and in either order."""
    one, two = build(keeper("one.so")), build(keeper("two.so"))
    trial = judge.ask((one, NOW), (two, mode)).agree()
    assert trial.bound("two.so", "u") == "one.so"
    assert judge.ask((two, NOW), (one, mode)).agree().bound("one.so", "u") == "two.so"


def test_a_definition_that_nobody_refers_to_is_not_entered(build: Build, judge: Judge) -> None:
    """The table knows what was looked up, not what was loaded."""
    silent = build(Object("silent.so", "silent.so", (), UNIQUE))
    one, two = build(keeper("one.so")), build(keeper("two.so"))
    assert judge.ask(silent, one, two).agree().bound("two.so", "u") == "one.so"


def test_an_ordinary_definition_that_comes_earlier_is_taken(build: Build, judge: Judge) -> None:
    """Only the look-up that meets a unique definition asks the table."""
    one = build(keeper("one.so"))
    plain = build(keeper("plain.so", defines=(Definition("u", "data"),)))
    two = build(keeper("two.so"))
    trial = judge.ask(one, plain, two).agree()
    assert (trial.bound("plain.so", "u"), trial.bound("two.so", "u")) == ("plain.so", "one.so")
    assert judge.ask((plain, GLOBAL), one).agree().bound("one.so", "u") == "plain.so"


def test_versions_do_not_keep_definitions_apart(build: Build, judge: Judge) -> None:
    """The table is by name alone."""
    versioned = (Definition("u", "unique", version="V1"),)
    one = build(Object("one.so", "one.so", (), versioned, USE, ("V1",)))
    two = build(keeper("two.so"))
    assert judge.ask(one, two).agree().bound("two.so", "u") == "one.so"


def test_a_failed_load_takes_its_definitions_away(build: Build, judge: Judge) -> None:
    """The next definition starts anew."""
    broken = build(Object("broken.so", "broken.so", (), UNIQUE, (*USE, Reference("missing"))))
    one, two = build(keeper("one.so")), build(keeper("two.so"))
    trial = judge.ask(broken, one, two).agree()
    assert trial.said[0].endswith("undefined symbol: missing")
    assert trial.bound("two.so", "u") == "one.so"


def test_what_a_failed_load_entered_for_others_stays(build: Build, judge: Judge) -> None:
    """It was the first to look the name up, in an object that stays."""
    silent = build(Object("silent.so", "silent.so", (), UNIQUE))
    broken = build(
        Object("broken.so", "broken.so", ("silent.so",), (), (*USE, Reference("missing", "call")), runpath="$ORIGIN")
    )
    one = build(keeper("one.so"))
    trial = judge.ask(silent, broken, one).agree()
    assert trial.bound("one.so", "u") == "silent.so"


def test_a_program_copies_a_unique_variable(builder: Builder, judge: Judge) -> None:
    """The COPY relocation takes the library's; everybody else gets the program's copy."""
    flags = ["-nostdlib"]
    source = ".globl u\n.type u, @gnu_unique_object\n.data\nu: .quad 0\n.size u, 8\n.text\nmov u@GOTPCREL(%rip), %rax\n"
    library = builder.library("lib.so", source, language="assembler", flags=flags)
    second = builder.library("second.so", source, language="assembler", flags=flags)
    program = builder.program(
        "program",
        "#include <dlfcn.h>\n#include <stdio.h>\nextern long u;\n"
        'int main(int n, char **words) { puts(dlopen(words[2], 2) ? "opened" : dlerror()); return (int)u; }',
        libs=[library],
        flags=["-no-pie", "-Wl,-rpath,$ORIGIN"],
    )
    trial = judge.ask(second, program=program).agree()
    assert (trial.bound("program", "u"), trial.bound("second.so", "u")) == ("lib.so", "program")

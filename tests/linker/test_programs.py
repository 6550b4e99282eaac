"""What only executables do: COPY relocations, addresses of functions, protected symbols seen from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.linker.judge import GLOBAL
from tests.linker.patching import patch_symbol

if TYPE_CHECKING:
    from pathlib import Path

    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
FIXED = ["-no-pie", "-fno-pic", "-Wl,-rpath,$ORIGIN", "-Wl,-z,now"]
BARE = ["-nostdlib", "-Wl,-z,noexecstack"]
MAIN = "int main(int n, char **words) { return n > 9 ? use() : 0; }"


def library(builder: Builder, name: str, source: str, *libs: Path) -> Path:
    """Build a library without the C library's start files."""
    return builder.library(name, source, libs=libs, flags=BARE)


def test_a_copied_variable_lives_in_the_program(builder: Builder, judge: Judge) -> None:
    """The COPY look-up passes over the executable; the library's own reference ends there."""
    lib = library(builder, "lib.so", "long d = 4; long *where(void) { return &d; }")
    program = builder.program(
        "program", f"extern long d; int use(void) {{ return (int)d; }} {MAIN}", libs=[lib], flags=FIXED
    )
    trial = judge.ask(program=program).agree()
    assert (trial.bound("program", "d"), trial.bound("lib.so", "d")) == ("lib.so", "program")


def test_a_copy_comes_from_the_first_definition_behind_the_program(builder: Builder, judge: Judge) -> None:
    """A preload can serve it."""
    lib = library(builder, "lib.so", "long d = 4; long *where(void) { return &d; }")
    other = library(builder, "other.so", "long d = 5; long *there(void) { return &d; }")
    program = builder.program(
        "program", f"extern long d; int use(void) {{ return (int)d; }} {MAIN}", libs=[lib], flags=FIXED
    )
    trial = judge.ask(program=program, environ={"LD_PRELOAD": str(other)}).agree()
    assert trial.bound("program", "d") == "other.so"


def test_a_functions_address_is_the_programs_plt_entry(builder: Builder, judge: Judge) -> None:
    """An undefined symbol with a value serves data references, but no calls."""
    lib = library(builder, "lib.so", "int f(void) { return 1; } void *at(void) { return (void *)f; }")
    caller = library(builder, "caller.so", "int f(void); int call(void) { return f(); }", lib)
    program = builder.program(
        "program",
        f"int f(void); int call(void); void *volatile p; int use(void) {{ p = (void *)f; return call(); }} {MAIN}",
        libs=[lib, caller],
        flags=FIXED,
    )
    trial = judge.ask(program=program).agree()
    assert (trial.bound("lib.so", "f"), trial.bound("caller.so", "f")) == ("program", "lib.so")


@pytest.mark.parametrize("interposed", [False, True])
def test_a_protected_function_keeps_its_address_unless_the_program_has_one(
    builder: Builder, judge: Judge, interposed: bool
) -> None:
    """A data reference to an own protected function: the second look-up, of class PLT, decides."""
    source = ".globl f\n.type f, @function\n.{0} f\n.text\nf: ret\n.data\n.quad f\n"
    flags = BARE
    lib = builder.library("lib.so", source.format("globl"), language="assembler", flags=flags)
    other = library(builder, "other.so", "int f(void) { return 2; }")
    program = builder.program(
        "program",
        f"int f(void); void *volatile p; int use(void) {{ p = (void *)f; return 0; }} {MAIN}",
        libs=[other, lib] if interposed else [lib],
        flags=FIXED,
    )
    builder.library("lib.so", source.format("protected"), language="assembler", flags=flags)  # ld refuses this one
    trial = judge.ask(program=program).agree()
    assert trial.bound("lib.so", "f") == ("lib.so" if interposed else "program")


@pytest.mark.parametrize("interposed", [False, True])
def test_a_protected_copy_is_initialised_all_the_same(builder: Builder, judge: Judge, *, interposed: bool) -> None:
    """The second look-up, of class PLT, sees the program's own copy, so the result of the first one stands."""
    source = "long d = 4; long *where(void) { return &d; }"
    libs = [library(builder, name, source) for name in (["other.so", "lib.so"] if interposed else ["lib.so"])]
    program = builder.program(
        "program", f"extern long d; int use(void) {{ return (int)d; }} {MAIN}", libs=libs, flags=FIXED
    )
    patch_symbol(program, "d", other=3)
    trial = judge.ask(program=program).agree()
    assert trial.bound("program", "d") == libs[0].name


@pytest.mark.parametrize("sort", ["data", "function"])
def test_a_protected_definition_binds_its_own_object_to_itself(builder: Builder, judge: Judge, sort: str) -> None:
    """Whatever stands before it; others get what stands before it."""
    kind = "@object" if sort == "data" else "@function"
    source = f".globl s\n.type s, {kind}\n.{{visibility}} s\n.data\ns: .quad 0\n.size s, 8\n.quad s\n"
    first = builder.library("first.so", source.format(visibility="globl"), language="assembler", flags=BARE)
    guarded = source.format(visibility="protected")
    second = builder.library(
        "second.so", guarded, libs=[first], language="assembler", flags=[*BARE, "-Wl,-rpath,$ORIGIN"]
    )
    third = builder.library(
        "third.so",
        "extern long s; long *t(void) { return &s; }",
        libs=[first, second],
        flags=[*BARE, "-Wl,-rpath,$ORIGIN"],
    )
    trial = judge.ask((first, GLOBAL), third).agree()
    assert trial.bound("third.so", "s") == "first.so"


def test_indirect_functions_are_bound_like_others(builder: Builder, judge: Judge) -> None:
    """Their resolver runs, which changes nothing about who is bound."""
    source = "static int one(void) { return 1; } static void *pick(void) { return (void *)one; }\n"
    source += 'int f(void) __attribute__((ifunc("pick"))); int call(void) { return f(); }'
    first, second = library(builder, "first.so", source), library(builder, "second.so", source)
    trial = judge.ask((first, GLOBAL), second).agree()
    assert trial.bound("second.so", "f") == "first.so"

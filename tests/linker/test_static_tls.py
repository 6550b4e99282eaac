"""The static TLS block: how much it holds, who takes of it, and what ld.so says when it is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import NOW
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.linker.tls import StaticTls
    from tests.linker.assembly import Use
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
FULL = "cannot allocate memory in static TLS block"


def block(name: str, size: int, *uses: Use, align: int = 8, needed: tuple[str, ...] = ()) -> Object:
    """Describe a library with one TLS variable `NAME_t` of that size, used by itself in these ways."""
    symbol = name.removesuffix(".so") + "_t"
    references = tuple(Reference(symbol, use) for use in uses)
    defined = (Definition(symbol, "tls", size=size, align=align),)
    return Object(name, name, needed, defined, references, runpath="$ORIGIN")


def capacity(judge: Judge) -> int:
    """Return how many bytes of one block with alignment 1 the model thinks would fit."""
    return predict(judge, judge.driver, []).tls.free


@pytest.mark.parametrize("over", [0, 1, 8])
def test_the_last_byte_can_be_taken_and_not_one_more(build: Build, judge: Judge, over: int) -> None:
    """The surplus is exact."""
    lib = build(block("lib.so", capacity(judge) + over, "ie", align=1))
    trial = judge.ask(lib).agree()
    assert trial.said == (("opened",) if over == 0 else (f"{lib}: {FULL}",))


@pytest.mark.parametrize("tunable", ["rtld.optional_static_tls=0", "rtld.optional_static_tls=4096", "rtld.nns=9"])
def test_tunables_change_the_surplus(build: Build, judge: Judge, tunable: str) -> None:
    """glibc.rtld.optional_static_tls and glibc.rtld.nns."""
    libs = [
        build(block(f"lib{size}.so", size, "ie")) for size in (1200, 900, 700, 500, 300, 200, 100, 60, 40, 24, 16, 8)
    ]
    judge.ask(*libs, environ={"GLIBC_TUNABLES": f"glibc.{tunable}"}).agree()


@pytest.mark.parametrize("sizes", [(1000, 600, 40, 100, 8), (8, 24, 200, 1500, 700, 64), (1664, 1, 1)])
@pytest.mark.parametrize("align", [1, 8, 16, 64])
def test_blocks_are_taken_in_order(build: Build, judge: Judge, sizes: tuple[int, ...], align: int) -> None:
    """What does not fit fails, what is smaller still fits."""
    libs = [build(block(f"lib{i}.so", size, "ie", align=align)) for i, size in enumerate(sizes)]
    judge.ask(*libs).agree()


def test_too_much_alignment(build: Build, judge: Judge) -> None:
    """A block that wants more than the whole block has cannot be placed."""
    libs = [build(block(f"lib{align}.so", 8, "ie", align=align)) for align in (64, 128)]
    assert [said.rpartition(": ")[2] for said in judge.ask(*libs).agree().said] == ["opened", FULL]


def test_dynamic_tls_takes_nothing(build: Build, judge: Judge) -> None:
    """General dynamic variables live elsewhere."""
    libs = [build(block(f"lib{i}.so", 5000, "gd")) for i in range(3)]
    assert judge.ask(*libs).agree().said == ("opened",) * 3


def test_the_definer_pays_for_the_reference(build: Build, judge: Judge) -> None:
    """An initial-exec reference places the object that defines the variable, and names that one when it fails."""
    big = build(block("big.so", 4000, "gd"))
    small = build(block("small.so", 100, "gd"))
    users = [
        build(Object(f"user{i}.so", None, (lib,), (), (Reference(f"{lib[:-3]}_t", "ie"),), runpath="$ORIGIN"))
        for i, lib in enumerate(["small.so", "big.so", "small.so"])
    ]
    assert judge.ask(big, small, *users).agree().said == ("opened", "opened", "opened", f"{big}: {FULL}", "opened")


def test_descriptors_take_of_the_optional_share_only(build: Build, judge: Judge) -> None:
    """TLSDESC uses static TLS where there is some to spare, and never fails for want of it."""
    descriptors = [build(block(f"desc{size}.so", size, "desc")) for size in (400, 200, 100, 8)]
    room = capacity(judge)
    rest = [build(block(f"rest{size}.so", size, "ie", align=1)) for size in (room - 508, room - 507 + 8, 8)]
    trial = judge.ask(*descriptors, *rest).agree()
    assert trial.said[:4] == ("opened",) * 4


def test_a_failed_load_gives_back_what_it_took(build: Build, judge: Judge) -> None:
    """So that the next one fits; also what a dependency of it had."""
    build(block("below.so", 600, "ie"))
    broken = block("broken.so", 704, "ie", needed=("below.so",))
    broken_path = build(
        Object(
            broken.file,
            None,
            broken.needed,
            broken.definitions,
            (*broken.references, Reference("missing", "call")),
            runpath="$ORIGIN",
        )
    )
    large = build(block("large.so", 1300, "ie"))
    assert [said.rpartition(": ")[2] for said in judge.ask(broken_path, large, broken_path).agree().said] == [
        "missing",
        "opened",
        FULL,
    ]


@pytest.mark.parametrize("sizes", [(3, 70, 5, 33), (1, 64, 1), (100, 1, 130, 7)])
def test_padding_of_failed_loads_is_lost(build: Build, judge: Judge, sizes: tuple[int, ...]) -> None:
    """Again and again, until nothing is left; every message as ld.so gives it."""
    names = [f"b{i}.so" for i in range(len(sizes))]
    for name, size, align in zip(names, sizes, (64, 8, 32, 16), strict=False):
        build(block(name, size, "ie", align=align))
    top = build(Object("top.so", None, tuple(names), (), (Reference("missing"),), runpath="$ORIGIN"))
    last = [build(block(f"last{size}.so", size, "ie", align=1)) for size in (1300, 200, 100, 50, 20, 10, 5, 3, 1, 1)]
    judge.ask(*[top] * 8, *last).agree()


@pytest.mark.parametrize(
    "sizes", [((8, 64), (8, 8)), ((40, 64), (24, 8), (100, 16)), ((1, 1), (3, 32), (8, 8), (16, 16))]
)
def test_the_initial_block_is_laid_out_alike(
    builder: Builder, build: Build, judge: Judge, sizes: tuple[tuple[int, int], ...]
) -> None:
    """Objects of the start fill gaps; what is left then shows in the last block that fits."""
    libs = [build(block(f"start{i}.so", size, "ie", align=align)) for i, (size, align) in enumerate(sizes)]
    source = """
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int n, char **words)
        {
            for (int i = 2; i < n; i += 2)
                puts(dlopen(words[i], 2) ? "opened" : dlerror());
            return 0;
        }
    """
    program = builder.program("program", source, libs=libs, flags=["-Wl,-rpath,$ORIGIN"])
    room = predict(judge, program, []).tls.free
    exact = build(block("exact.so", room, "ie", align=1))
    beyond = build(block("beyond.so", room + 1, "ie", align=1))
    assert judge.ask(beyond, exact, program=program).agree().said == (f"{beyond}: {FULL}", "opened")


def left(judge: Judge, program: Path, version: tuple[int, int], machine: str = "x86_64") -> StaticTls:
    """Return the block of a program under another glibc."""
    return predict(judge, program, [], libc_version=version, machine=machine).tls


def test_older_and_newer_glibc(judge: Judge) -> None:
    """From their sources: descriptors had no share of their own before 2.32, and 2.41 keeps an area for rseq."""
    old, new, newest = (left(judge, judge.driver, version) for version in ((2, 31), (2, 36), (2, 41)))
    assert (old.optional, new.optional, newest.optional) == (None, 512, 512)
    used = new.used
    assert newest.used == -(-used // 32) * 32 + 32
    assert newest.limit == -(-(newest.used + 1664) // 64) * 64


def test_the_model_takes_what_the_machine_takes(judge: Judge, build: Build) -> None:
    """A sanity check of the helper: a prediction without loads has spent nothing."""
    lib = build(block("lib.so", 100, "ie"))
    assert predict(judge, judge.driver, [(lib, NOW)]).tls.taken[0].size >= 100

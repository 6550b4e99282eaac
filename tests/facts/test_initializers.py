"""What initializers reach, on libraries whose constructors are known."""

from __future__ import annotations

import platform
import zipfile
from typing import TYPE_CHECKING

import pytest

from abiclash.facts.elf import read_object
from abiclash.facts.ranges import Ranges
from tests.facts.elf_files import read

if TYPE_CHECKING:
    from abiclash.facts.model import ObjectFacts
    from abiclash.facts.names_table import NameTable
    from tests.support import Builder, Wheelhouse

x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="code is followed on x86_64 only")

SOURCE = """
extern int seen, unseen, deep;
void called(void), uncalled(void), later(void), tail(void), passed(void (*)(void));
__attribute__((noinline)) static void inner(void) { deep++; called(); tail(); }
__attribute__((noinline)) void exported(void) { later(); }
static void callback(void) { unseen++; }
__attribute__((constructor)) static void start(void) { seen = 1; exported(); if (seen) inner(); passed(callback); }
void other(void) { uncalled(); unseen = 2; }
"""
REACHED = {"seen", "deep", "called", "tail", "later", "exported", "passed"}
OURS = REACHED | {"unseen", "uncalled"}


def reached(found: tuple[ObjectFacts, NameTable]) -> set[str]:
    """Return the names behind the references that initializers reach."""
    facts, names = found
    return {names.name(int(facts.references.symbol[row])).decode() for row in facts.init.references}


@x86_64
@pytest.mark.compiler
@pytest.mark.parametrize(
    "flags",
    [
        ["-O0"],
        ["-O2"],
        ["-O2", "-fcf-protection=full", "-Wl,-z,ibtplt"],
        ["-O2", "-fno-plt"],
        ["-O2", "-Wl,-z,now"],
        ["-O2", "-Wl,-z,pack-relative-relocs"],
        ["-O2", "-Wl,-z,noseparate-code"],
    ],
    ids=" ".join,
)
def test_reached_references(builder: Builder, flags: list[str]) -> None:
    found = read(builder.library("libinit.so", SOURCE, flags=flags))
    assert reached(found) & OURS == REACHED


@x86_64
@pytest.mark.compiler
def test_nothing_runs_nothing_is_reached(builder: Builder) -> None:
    source = SOURCE.replace("__attribute__((constructor)) static void start", "void start")
    found = read(builder.library("libquiet.so", source))
    assert reached(found) & OURS == set()


@pytest.mark.compiler
def test_other_machines_only_count(builder: Builder) -> None:
    facts, _ = read(builder.library("lib32.so", SOURCE, flags=["-m32", "-nostdlib"]))
    assert (facts.init.init_array, len(facts.init.references)) == (1, 0)


@pytest.mark.index
@pytest.mark.slow
def test_call_once_is_reached_while_tensorflow_1_13_loads(wheelhouse: Wheelhouse) -> None:
    """The split state of 2019 is fatal at import because of this path (MODEL.md, section 2)."""
    name = "libtensorflow_framework.so"
    with zipfile.ZipFile(wheelhouse("tensorflow==1.13.1", python="3.7")) as archive:
        member = next(member for member in archive.namelist() if member.endswith(f"/{name}"))
        found = read_object(Ranges.whole(archive.read(member)), member)
    assert {"pthread_once", "__once_proxy", "_ZSt11__once_call", "_ZSt15__once_callable"} <= reached(found)
    assert len(found[0].init.references) < len(found[0].references.symbol) // 10, "a walk that reaches all says nothing"

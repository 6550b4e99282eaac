"""Which loaded object a name means: path, soname, device and inode (glibc elf/dl-load.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import Mode
from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import NOLOAD

if TYPE_CHECKING:
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge

pytestmark = pytest.mark.compiler
F, USE = (Definition("f"),), (Reference("f", "call"),)


def test_a_soname_is_served_whatever_the_path(build: Build, judge: Judge) -> None:
    """Two packages that bring a library of one soname share the first one's."""
    for package in ("a", "b"):
        build(Object(f"{package}/shared.so.1", "shared.so.1", (), F))
        build(Object(f"{package}/top.so", f"{package}.so", ("shared.so.1",), (), USE, runpath="$ORIGIN"))
    folder = judge.folder
    trial = judge.ask(folder / "a/top.so", folder / "b/top.so").agree()
    assert {row[3] for row in trial.observed_bindings if row[1] == "f"} == {f"{folder.resolve()}/a/shared.so.1"}


def test_a_path_is_not_served_by_a_soname(build: Build, judge: Judge) -> None:
    """The same soname under another path is another object; the name then means the first."""
    one = build(Object("a/shared.so.1", "shared.so.1", (), F, USE))
    two = build(Object("b/shared.so.1", "shared.so.1", (), F, USE))
    trial = judge.ask(one, two, ("shared.so.1", NOLOAD | Mode.GLOBAL)).agree()
    assert trial.said == ("opened", "opened", "opened")
    assert [event.path for event in trial.log.events if event.kind == "global"] == [str(one.resolve())]


def test_a_file_name_is_not_a_soname(build: Build, judge: Judge) -> None:
    """Without DT_SONAME an object answers to the name it was asked for by, and no other."""
    lib = build(Object("a/lib.so", None, (), F))
    assert judge.ask(lib, ("lib.so", NOLOAD)).agree().said[1].startswith("lib.so: cannot open")
    trial = judge.ask("lib.so", ("lib.so", NOLOAD), environ={"LD_LIBRARY_PATH": str(judge.folder / "a")}).agree()
    assert trial.said == ("opened", "opened")


@pytest.mark.parametrize("symbolic", [True, False])
def test_two_names_of_one_file_are_one_object(build: Build, judge: Judge, *, symbolic: bool) -> None:
    """Symbolic or hard link; and the object answers to both from then on."""
    lib = build(Object("lib.so", None, (), F, USE))
    link = lib.with_name("link.so")
    if symbolic:
        link.symlink_to(lib.name)
    else:
        link.hardlink_to(lib)
    build(Object("top.so", "top.so", ("link.so",), (), USE, runpath="$ORIGIN"))
    trial = judge.ask(lib, link, (link, NOLOAD), lib.with_name("top.so"), ("link.so", NOLOAD)).agree()
    assert trial.said == ("opened",) * 5
    assert sum(event.kind == "relocate" and "/li" in event.path[-8:] for event in trial.log.events) == 1


def test_equal_content_is_not_identity(build: Build, judge: Judge) -> None:
    """A copy is another object."""
    lib = build(Object("lib.so", None, (), F, USE))
    copy = lib.with_name("copy.so")
    copy.write_bytes(lib.read_bytes())
    trial = judge.ask(lib, copy).agree()
    assert trial.bound("copy.so", "f") == "copy.so"


def test_an_object_that_was_found_by_soname_answers_to_it_in_verneed(build: Build, judge: Judge) -> None:
    """The version check looks for the library by the names that were asked for."""
    lib = build(Object("odd.so", "lib.so.1", (), (Definition("f", version="V1"),), (), ("V1",)))
    wants = Reference("f", version="V2", library="lib.so.1")
    top = build(Object("top.so", "top.so", ("lib.so.1",), (), (wants,)))
    assert judge.ask(lib, top).agree().said == ("opened", f"{lib}: version `V2' not found (required by {top})")


def test_the_dynamic_linker_answers_to_its_soname(judge: Judge) -> None:
    """It is there from the start, under PT_INTERP's path."""
    assert judge.ask(("ld-linux-x86-64.so.2", NOLOAD), ("/lib64/ld-linux-x86-64.so.2", NOLOAD)).agree().said == (
        "opened",
        "opened",
    )

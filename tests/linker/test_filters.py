"""DT_FILTER and DT_AUXILIARY: the filtee comes before the object that names it (glibc elf/dl-deps.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import GLOBAL, NOLOAD, NOW
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge

pytestmark = pytest.mark.compiler
F, USE = (Definition("f"),), (Reference("f", "call"),)


@pytest.mark.parametrize("option", ["--filter", "--auxiliary"])
@pytest.mark.parametrize("also_needed", [False, True])
def test_a_filtee_is_searched_first(build: Build, judge: Judge, option: str, *, also_needed: bool) -> None:
    """Of the opened object itself, and of a dependency; a later place in the list is given up."""
    build(Object("filtee.so", "filtee.so", (), F, USE))
    needed = ("filtee.so",) if also_needed else ()
    front = Object("front.so", "front.so", needed, F, USE, runpath="$ORIGIN", options=(option, "filtee.so"))
    opened = build(front)
    trial = judge.ask(opened).agree()
    assert trial.bound("front.so", "f") == "filtee.so"
    top = build(Object("top.so", "top.so", ("front.so", "filtee.so"), (), USE, runpath="$ORIGIN"))
    assert judge.ask(top).agree().bound("top.so", "f") == "filtee.so"
    assert judge.ask((opened, GLOBAL), top).agree().bound("top.so", "f") == "filtee.so"


@pytest.mark.parametrize("version", [(2, 31), (2, 32)])
def test_before_glibc_2_32_a_filter_could_not_be_opened(build: Build, judge: Judge, version: tuple[int, int]) -> None:
    """Bug 16272, from the sources: but as what another object needs, it could."""
    build(Object("filtee.so", "filtee.so", (), F))
    front = build(Object("front.so", "front.so", (), F, runpath="$ORIGIN", options=("--filter", "filtee.so")))
    top = build(Object("top.so", "top.so", ("front.so",), (), USE, runpath="$ORIGIN"))
    process = predict(judge, judge.driver, [(top, NOW)], libc_version=version)
    assert process.events[-1].failure is None
    failure = predict(judge, judge.driver, [(front, NOW)], libc_version=version).events[-1].failure
    said = "Inconsistency detected by ld.so: dl-deps.c: 553: _dl_map_object_deps: Assertion "
    said += "`map->l_searchlist.r_list[0] == map' failed!"
    assert (failure.message if failure else None) == (said if version < (2, 32) else None)


def test_a_missing_filtee_fails_and_a_missing_auxiliary_does_not(build: Build, judge: Judge) -> None:
    """DT_FILTER is a need, DT_AUXILIARY a wish."""
    wish = build(Object("wish.so", "wish.so", (), F, USE, options=("--auxiliary", "nowhere.so")))
    need = build(Object("need.so", "need.so", (), F, USE, options=("--filter", "nowhere.so")))
    said = "nowhere.so: cannot open shared object file: No such file or directory"
    assert judge.ask(wish, need).agree().said == ("opened", said)


def test_an_object_that_filters_itself_is_no_filter(build: Build, judge: Judge) -> None:
    """It stands earlier already."""
    lib = build(Object("lib.so", "lib.so", (), F, USE, options=("--auxiliary", "lib.so")))
    assert judge.ask(lib).agree().bound("lib.so", "f") == "lib.so"


def test_filter_and_auxiliary_in_the_order_of_the_dynamic_section(build: Build, judge: Judge) -> None:
    """Each is put directly before the object, so the first stands first."""
    build(Object("one.so", "one.so", (), F))
    build(Object("two.so", "two.so", (), F))
    options = ("--auxiliary", "one.so", "--filter", "two.so")
    lib = build(Object("lib.so", "lib.so", (), F, USE, runpath="$ORIGIN", options=options))
    judge.ask(lib).agree()


def test_a_filtee_moves_in_the_list_of_all_objects(build: Build, judge: Judge) -> None:
    """A name that both answer to means the filtee."""
    build(Object("filtee.so", "name.so", (), F))
    front = build(Object("front.so", "name.so", (), F, USE, runpath="$ORIGIN", options=("--auxiliary", "filtee.so")))
    trial = judge.ask(front, ("name.so", NOLOAD | GLOBAL)).agree()
    assert [event.path.rpartition("/")[2] for event in trial.log.events if event.kind == "global"] == ["filtee.so"]

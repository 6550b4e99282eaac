"""The order of relocation and initialisation (glibc elf/dl-sort-maps.c), with both algorithms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abiclash.linker.sort_maps import sort_maps
from tests.linker.assembly import Object
from tests.linker.judge import GLOBAL, NOW
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.linker.conftest import Build
    from tests.linker.judge import Judge

pytestmark = pytest.mark.compiler
GRAPHS: Mapping[str, Mapping[str, str]] = {
    "a chain": {"a": "b", "b": "c", "c": ""},
    "a diamond": {"a": "bc", "b": "d", "c": "d", "d": ""},
    "a cross": {"a": "bc", "b": "c", "c": ""},
    "a cross the other way": {"a": "bc", "b": "", "c": "b"},
    "a cycle": {"a": "b", "b": "c", "c": "a"},
    "a cycle below": {"a": "bd", "b": "c", "c": "b", "d": "c"},
    "two cycles that touch": {"a": "bc", "b": "cd", "c": "b", "d": "eb", "e": "d"},
    "itself": {"a": "ab", "b": "b"},
    "from the tests of glibc (bug 15311)": {
        "a": "bcde",
        "b": "",
        "c": "g",
        "d": "b",
        "e": "cg",
        "f": "",
        "g": "b",
    },
    "wide": {"a": "bcdefg", "b": "", "c": "b", "d": "c", "e": "d", "f": "be", "g": "f"},
}
ALGORITHMS = {"depth first": {}, "original": {"GLIBC_TUNABLES": "glibc.rtld.dynamic_sort=1"}}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("name", GRAPHS)
def test_objects_are_relocated_and_initialised_in_order(build: Build, judge: Judge, name: str, algorithm: str) -> None:
    """Dependencies first, where there is no cycle; opened whole, and from the middle first."""
    for node, needs in GRAPHS[name].items():
        build(Object(f"{node}.so", f"{node}.so", tuple(f"{need}.so" for need in needs), runpath="$ORIGIN"))
    top, middle = judge.folder / "a.so", judge.folder / "c.so"
    environ = ALGORITHMS[algorithm]
    judge.ask(top, environ=environ).agree()
    judge.ask((middle, GLOBAL), (top, NOW), middle, environ=environ).agree()


@pytest.mark.parametrize(("version", "order"), [((2, 31), "bca"), ((2, 32), "cba")])
def test_before_glibc_2_32_what_is_relocated_was_sorted_on_its_own(
    build: Build, judge: Judge, version: tuple[int, int], order: str
) -> None:
    """From the sources, and as Debian's 2.31 does it: in a circle the opened object need not be the last."""
    for node, needs in {"a": "bc", "b": "", "c": "a"}.items():
        build(Object(f"{node}.so", f"{node}.so", tuple(f"{need}.so" for need in needs), runpath="$ORIGIN"))
    process = predict(judge, judge.driver, [(judge.folder / "a.so", NOW)], libc_version=version)
    event = process.events[-1]
    assert "".join(process.world.paths[file][-4] for file in event.relocated) == order
    assert "".join(process.world.paths[file][-4] for file in event.initialised) == "cba"


def test_one_object_can_be_initialised_first(build: Build, judge: Judge) -> None:
    """DF_1_INITFIRST: the one that was loaded last, if it is still there when initialisers run (elf/dl-init.c)."""
    needs = {"a": "bc", "b": "de", "c": "e", "d": "", "e": "", "f": "g", "g": ""}
    for node, needed in needs.items():
        options = ("-z", "initfirst") if node in "bcg" else ()
        names = (*(f"{need}.so" for need in needed), *(["nowhere.so"] if node == "f" else []))
        build(Object(f"{node}.so", f"{node}.so", names, runpath="$ORIGIN", options=options))
    trial = judge.ask(judge.folder / "f.so", judge.folder / "a.so", judge.folder / "g.so").agree()
    order = [event.path[-4] for event in trial.log.events if event.kind == "init" and len(event.path) > 4]
    assert order[-6:] == list("cedbag")
    judge.ask(judge.folder / "d.so", environ={"LD_PRELOAD": str(judge.folder / "g.so")}).agree()


@st.composite
def graphs(draw: st.DrawFn) -> list[list[int]]:
    """Needs of each of a few objects, by number."""
    size = draw(st.integers(2, 7))
    return [draw(st.lists(st.integers(0, size - 1), unique=True, max_size=4)) for _ in range(size)]


@given(graph=graphs(), dfs=st.booleans())
def test_a_sort_is_a_permutation_that_keeps_the_first(graph: list[list[int]], dfs: bool) -> None:
    """Whatever the cycles."""
    order = sort_maps(range(len(graph)), lambda node: (node, *graph[node]), None, dfs=dfs)
    assert order[0] == 0
    assert sorted(order) == list(range(len(graph)))


@given(graph=graphs(), dfs=st.booleans())
def test_without_cycles_dependents_come_before_their_dependencies(graph: list[list[int]], dfs: bool) -> None:
    """(Initialisation walks the list backwards.)"""
    tree = [[need for need in needs if need > node] for node, needs in enumerate(graph)]
    order = sort_maps(range(len(tree)), lambda node: (node, *tree[node]), None, dfs=dfs)
    place = {node: at for at, node in enumerate(order)}
    wrong = [(n, need) for n, needs in enumerate(tree) for need in needs if place[n] > place[need] and n != 0 != need]
    assert not wrong


@given(graph=graphs(), original=st.booleans())
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_graphs(judge: Judge, build: Build, graph: list[list[int]], original: bool) -> None:
    """Judged by ld.so, the first half opened one by one before the rest."""
    for node, needs in enumerate(graph):
        build(Object(f"g{node}.so", f"g{node}.so", tuple(f"g{need}.so" for need in needs), runpath="$ORIGIN"))
    steps = [judge.folder / f"g{node}.so" for node in (len(graph) // 2, *range(len(graph)))]
    judge.ask(*steps, environ=ALGORITHMS["original" if original else "depth first"]).agree()

"""dlclose: what goes, in which order, and what stays (glibc elf/dl-close.c _dl_close_worker)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import Mode
from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import CRASHED, GLOBAL, LAZY, NOLOAD, NOW, Close
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge

pytestmark = pytest.mark.compiler
F, USE = (Definition("f"),), (Reference("f", "call"),)
UNIQUE, KEEP = (Definition("u", "unique"),), (Reference("u", "got"),)


@dataclass(frozen=True)
class Case:
    """objects: to build. steps: names and flags, or the step to close. gone: file names, in order."""

    objects: tuple[Object, ...]
    steps: tuple[tuple[str, Mode] | Close, ...]
    gone: str


def thing(name: str, needs: str = "", *, defines: bool = False, uses: bool = False, options: str = "") -> Object:
    """Describe a library; needs: names without .so."""
    needed = tuple(f"{need}.so" for need in needs.split())
    return Object(
        f"{name}.so",
        f"{name}.so",
        needed,
        F if defines else (),
        USE if uses else (),
        runpath="$ORIGIN",
        options=tuple(options.split()),
    )


CASES = {
    "with its dependencies, users first": Case((thing("b"), thing("a", "b")), (("a", NOW), Close(0)), "a b"),
    "not while it was opened twice": Case((thing("a"),), (("a", NOW), ("a", NOW), Close(0)), ""),
    "after both were closed": Case((thing("a"),), (("a", NOW), ("a", NOLOAD), Close(1), Close(0)), "a"),
    "not what another one needs": Case(
        (thing("c"), thing("b", "c"), thing("a", "c")), (("a", NOW), ("b", NOW), Close(0)), "a"
    ),
    "not what was opened by itself": Case((thing("b"), thing("a", "b")), (("a", NOW), ("b", NOW), Close(0)), "a"),
    "not the dependency that is closed": Case((thing("b"), thing("a", "b")), (("a", NOW), ("b", NOW), Close(1)), ""),
    "not what another one is bound to": Case(
        (thing("b", defines=True), thing("a", uses=True)), (("b", GLOBAL), ("a", NOW), Close(0)), ""
    ),
    "with what it alone was bound to": Case(
        (thing("b", defines=True), thing("a", uses=True)), (("b", GLOBAL), ("a", NOW), Close(0), Close(1)), "a b"
    ),
    "what lazy calls may need": Case(
        (thing("b", defines=True), thing("a", uses=True)), (("b", GLOBAL), ("a", LAZY), Close(0)), "b"
    ),
    "not with RTLD_NODELETE": Case((thing("a"),), (("a", NOW | Mode.NODELETE), Close(0)), ""),
    "not when that came later": Case(
        (thing("a"),), (("a", NOW), ("a", NOLOAD | Mode.NODELETE), Close(0), Close(1)), ""
    ),
    "not with DF_1_NODELETE": Case((thing("b", options="-znodelete"), thing("a", "b")), (("a", NOW), Close(0)), "a"),
    "not with a unique symbol that was bound": Case(
        (Object("a.so", None, (), UNIQUE, KEEP), Object("b.so", None, (), UNIQUE)),
        (("a", NOW), ("b", NOW), Close(0), Close(1)),
        "b",
    ),
    "a circle": Case((thing("b", "c"), thing("c", "b"), thing("a", "b")), (("a", NOW), Close(0)), "a b c"),
    "and can come again": Case((thing("b"), thing("a", "b")), (("a", NOW), Close(0), ("a", NOW)), "a b"),
}


@pytest.mark.parametrize("algorithm", [2, 1])
@pytest.mark.parametrize("name", CASES)
def test_what_is_unloaded(build: Build, judge: Judge, name: str, algorithm: int) -> None:
    """By either algorithm for the order."""
    case = CASES[name]
    for each in case.objects:
        build(each)
    steps = [step if isinstance(step, Close) else (judge.folder / f"{step[0]}.so", step[1]) for step in case.steps]
    lazy = any(isinstance(step, tuple) and step[1] == LAZY for step in case.steps)
    environ = {"GLIBC_TUNABLES": f"glibc.rtld.dynamic_sort={algorithm}"}
    trial = judge.ask(*steps, environ=environ, bind_now=not lazy).agree()
    gone = [name.removesuffix(".so") for name in trial.unloaded]
    if name == "a circle":
        assert sorted(gone) == case.gone.split()
    else:
        assert gone == case.gone.split()


@pytest.mark.parametrize(("version", "order"), [((2, 38), "low.so top.so"), ((2, 39), "top.so low.so")])
def test_since_glibc_2_39_what_is_closed_goes_first(
    build: Build, judge: Judge, version: tuple[int, int], order: str
) -> None:
    """Bug 30981, from the sources; in a circle, for nothing else goes before what needs it."""
    low = build(thing("low", "top"))
    top = build(thing("top", "low"))
    process = predict(judge, judge.driver, [(top, NOW), (low, NOW)], libc_version=version)
    opened = [event.file for event in process.events[1:]]
    assert opened[0] is not None
    assert opened[1] is not None
    assert process.dlclose(opened[1]) == ()
    gone = process.dlclose(opened[0])
    assert [process.world.paths[file].rpartition("/")[2] for file in gone] == order.split()
    if (version < (2, 39)) == (judge.host.libc_version < (2, 39)):
        assert judge.ask(top, low, Close(1), Close(0)).agree().unloaded == order.split()


def test_scopes_lose_what_is_gone(build: Build, judge: Judge) -> None:
    """A dependency that stays keeps a list of its own, and the global scope forgets."""
    for each in (thing("c"), thing("b", "c"), thing("a", "b", defines=True), thing("user", uses=True)):
        build(each)
    a, b, user = (judge.folder / f"{name}.so" for name in ("a", "b", "user"))
    trial = judge.ask((a, GLOBAL), b, Close(0), (b, NOLOAD | GLOBAL), user).agree()
    assert trial.said[-1] == f"{user}: undefined symbol: f"


def test_static_tls_comes_back_at_the_end_only(build: Build, judge: Judge) -> None:
    """The block is a stack: a hole in it stays."""
    sizes = {"one": 600, "two": 500, "three": 700}
    for name, size in sizes.items():
        defined = (Definition(f"{name}_t", "tls", size=size),)
        build(Object(f"{name}.so", None, (), defined, (Reference(f"{name}_t", "ie"),)))
    one, two, three = (judge.folder / f"{name}.so" for name in sizes)
    top = judge.ask(one, two, three, Close(1), three, Close(0), Close(4), one, two).agree().said
    assert [said.rpartition(": ")[2] for said in top[:5]] == [
        "opened",
        "opened",
        "cannot allocate memory in static TLS block",
        "closed",
        "opened",
    ]


KEEPER = Object("keeper.so", None, (), UNIQUE, KEEP)
MISSING = Reference("missing", "word")


@pytest.mark.parametrize("first", ["its unique symbol", "another symbol"])
@pytest.mark.parametrize("algorithm", [2, 1])
def test_a_failed_load_that_used_what_stays_anyway(build: Build, judge: Judge, algorithm: int, first: str) -> None:
    """What is pinned is no relocation dependency (add_dependency), and without any the order is another one.

    The objects are a circle: the dependency is a filter for the one that is opened. The keeper is pinned by its own
    use of its unique symbol, before any other object comes.
    """
    build(replace(KEEPER, definitions=(*UNIQUE, *F)))
    uses = (Reference("u", "got"), Reference("f", "got"))
    uses = uses if first == "its unique symbol" else uses[::-1]
    root = build(Object("root.so", "root.so", ("front.so",), (), (*uses, MISSING), runpath="$ORIGIN"))
    build(Object("front.so", None, (), options=("--filter", "root.so")))
    environ = {"GLIBC_TUNABLES": f"glibc.rtld.dynamic_sort={algorithm}"}
    trial = judge.ask((judge.folder / "keeper.so", GLOBAL), root, environ=environ).agree()
    front_first = algorithm == 2 and judge.host.libc_version < (2, 39)
    assert trial.unloaded == (["front.so", "root.so"] if front_first else ["root.so", "front.so"])


def test_what_only_a_failed_load_pinned_can_be_closed_and_leaves_its_names(build: Build, judge: Judge) -> None:
    """A bug of ld.so's: its table of unique symbols then points into memory that is gone (do_lookup_unique).

    It crashes where nothing else has come to the same place, as with an object that is larger.
    """
    lib = build(Object("lib.so", None, (), UNIQUE))
    user = build(Object("user.so", None, (), (), (Reference("u", "word"), MISSING)))
    large = build(Object("large.so", None, (), (*UNIQUE, Definition("d", "data", size=1 << 20)), KEEP))
    trial = judge.ask((lib, GLOBAL), user, Close(0), large).agree()
    assert trial.said[-1] == CRASHED
    assert trial.process.pinned.stale


def test_a_failed_load_depends_on_what_it_came_to(build: Build, judge: Judge) -> None:
    """Calls come after data: an object that stops at a variable does not depend on what it would have called."""
    build(thing("other", defines=True))
    build(Object("low.so", "low.so", (), (), (*USE, MISSING)))
    build(Object("late.so", "late.so", (), (), (Reference("f", "word"), MISSING)))
    for low, order in (("low", ["top.so", "other.so", "low.so"]), ("late", ["top.so", "late.so", "other.so"])):
        top = build(thing("top", f"other {low}"))
        assert judge.ask(top).agree().unloaded == order


@pytest.mark.parametrize("order", ["unique first", "unique last"])
def test_when_a_unique_symbol_pins(build: Build, judge: Judge, order: str) -> None:
    """An object that a failed load has pinned stays pinned, but not before another load has succeeded.

    Whether the user depends on it by then is told by what it used first.
    """
    lib = build(Object("lib.so", None, (), (*UNIQUE, *F)))
    other = build(Object("other.so"))
    uses = (Reference("u", "word"), Reference("f", "word"))
    user = build(
        Object("user.so", None, (), (), (*(uses if order == "unique first" else uses[::-1]), Reference("x", "call")))
    )
    assert judge.ask((lib, GLOBAL), user, (lib, NOLOAD), Close(0), Close(2)).agree().unloaded == ["user.so", "lib.so"]
    assert judge.ask((lib, GLOBAL), user, other, Close(0)).agree().unloaded == ["user.so"]


@pytest.mark.parametrize("version", [(2, 30), (2, 31)])
@pytest.mark.parametrize("why", ["flag", "mode", "unique"])
def test_failed_loads_before_glibc_2_31(build: Build, judge: Judge, why: str, version: tuple[int, int]) -> None:
    """Bug 20839, from the sources: what must not be unloaded stayed, half made, and could be opened afterwards."""
    options = ("-znodelete",) if why == "flag" else ()
    defined = UNIQUE if why == "unique" else ()
    lib = build(
        Object("lib.so", None, (), defined, (*KEEP[: len(defined)], Reference("missing", "call")), options=options)
    )
    mode = NOW | Mode.NODELETE if why == "mode" else NOW
    process = predict(judge, judge.driver, [(lib, mode), (lib, NOW)], libc_version=version)
    first, second = process.events[1:]
    assert first.failure is not None
    assert (second.failure is None) == (version < (2, 31))
    assert (process.world.find(str(lib)) in process.maps) == (version < (2, 31))

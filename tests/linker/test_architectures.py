"""The same worlds on other architectures, read and predicted here, judged by their own ld.so (qemu where needed)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from tests.linker.assembly import Assembler, Definition, Object, Reference
from tests.linker.judge import GLOBAL
from tests.linker.machines import TARGETS, judge_of
from tests.linker.patching import patch_header
from tests.linker.predicted import predict
from tests.linker.worlds import link_worlds, play

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.sources.host_profile import HostProfile
    from tests.linker.judge import Judge
    from tests.linker.machines import Target
    from tests.linker.worlds import LinkWorld
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
FULL = "cannot allocate memory in static TLS block"


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest) -> Target:
    """Return each architecture in turn."""
    return TARGETS[request.param]


@pytest.fixture
def foreign(target: Target, builder: Builder, host: HostProfile, tmp_path: Path) -> Judge:
    """Return the architecture's own ld.so as judge."""
    return judge_of(target, tmp_path, builder, host)


def test_versions_interposition_and_tls(target: Target, foreign: Judge) -> None:
    """One world with every kind of reference, in either order."""
    build = Assembler(foreign.folder, target.machine).build
    names = {"f": "function", "d": "data", "t": "tls", "u": "unique"}
    plain = tuple(Definition(name, sort) for name, sort in names.items())  # type: ignore[arg-type] # sorts
    versioned = tuple(Definition(name, sort, version="V2") for name, sort in names.items())  # type: ignore[arg-type]
    uses = (
        Reference("f", "call"),
        Reference("f", "got"),
        Reference("d", "word"),
        Reference("t", "gd"),
        Reference("u", "got"),
        Reference("w", "got", weak=True),
    )
    asked = tuple(Reference(r.name, r.use, "V2", r.weak, "new.so") for r in uses[:4])
    first = build(Object("first.so", "first.so", (), plain, uses))
    build(Object("new.so", "new.so", (), versioned, uses, ("V1", "V2")))
    user = build(Object("user.so", "user.so", ("new.so",), (), asked, runpath="$ORIGIN"))
    assert foreign.ask(user, first).agree().bound("user.so", "f") == "new.so"
    assert foreign.ask((first, GLOBAL), user).agree().bound("user.so", "t") == "first.so"


def test_the_static_tls_block_holds_what_the_model_says(target: Target, foreign: Judge) -> None:
    """To the byte, whichever side of the thread pointer it lies on."""
    build = Assembler(foreign.folder, target.machine).build
    room = predict(foreign, foreign.driver, []).tls.free

    def block(name: str, size: int, align: int) -> Path:
        symbol = f"{name}_t"
        defined = (Definition(symbol, "tls", size=size, align=align),)
        return build(Object(f"{name}.so", None, (), defined, (Reference(symbol, "ie"),)))

    libs = [block("beyond", room + 1, 1), block("exact", room, 1), block("none", 1, 1)]
    assert [said.rpartition(": ")[2] for said in foreign.ask(*libs).agree().said] == [FULL, "opened", FULL]
    more = [block(f"b{i}", size, align) for i, (size, align) in enumerate([(8, 8), (24, 16), (100, 4), (1300, 32)])]
    foreign.ask(*more, *libs).agree()


def test_descriptors_use_the_optional_share(target: Target, foreign: Judge) -> None:
    """Where there are any; elsewhere these are general dynamic and cost nothing."""
    build = Assembler(foreign.folder, target.machine).build
    libs = []
    for size, use in ((400, "desc"), (200, "desc"), (90, "desc"), (1100, "ie"), (300, "ie"), (60, "ie"), (8, "ie")):
        symbol = f"t{size}"
        defined = (Definition(symbol, "tls", size=size),)
        libs.append(build(Object(f"l{size}.so", None, (), defined, (Reference(symbol, use),))))  # type: ignore[arg-type]
    foreign.ask(*libs).agree()


def test_an_object_of_another_machine_is_refused(target: Target, foreign: Judge, builder: Builder) -> None:
    """For its class or its machine, in ld.so's words."""
    alien = builder.library("alien.so", "int f(void) { return 1; }", flags=["-nostdlib"])
    if target.machine.name == "s390x":
        patch_header(alien, 5, b"\2")  # of the same byte order, but the rest is not
    said = foreign.ask(alien, "alien.so", environ={"LD_LIBRARY_PATH": str(foreign.folder)}).agree().said
    assert len(said) == 2


CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(world=link_worlds(ifunc=False))
@settings(CALM, max_examples=3, derandomize=True)
def test_random_worlds_load_as_predicted(target: Target, foreign: Judge, world: LinkWorld) -> None:
    """The same worlds each time."""
    play(world, foreign, target.machine).agree()


@pytest.mark.slow
@given(world=link_worlds(ifunc=False))
@settings(CALM, max_examples=60)
def test_many_random_worlds_load_as_predicted(target: Target, foreign: Judge, world: LinkWorld) -> None:
    """New worlds each time."""
    play(world, foreign, target.machine).agree()

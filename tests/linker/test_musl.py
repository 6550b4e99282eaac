"""musl's rules (ldso/dynlink.c), judged by musl's own dynamic linker."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from abiclash.linker.link_map import Mode
from tests.linker.assembly import X86_64, Assembler, Definition, Object, Reference
from tests.linker.judge import DEEPBIND, GLOBAL, LAZY, NOLOAD, Close
from tests.linker.musl_judge import LOADER, MuslJudge
from tests.linker.patching import patch_symbol
from tests.linker.worlds import build as build_world
from tests.linker.worlds import link_worlds, placed

if TYPE_CHECKING:
    from abiclash.sources.host_profile import HostProfile
    from tests.linker.conftest import Build
    from tests.linker.worlds import LinkWorld
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
F, USE = (Definition("f"),), (Reference("f", "call"),)


@pytest.fixture
def musl(builder: Builder, host: HostProfile, tmp_path: Path) -> MuslJudge:
    """Return musl as judge over loads from `tmp_path`."""
    return MuslJudge.at(tmp_path, builder, host)


@pytest.fixture
def make(musl: MuslJudge) -> Build:
    """Return what makes a shared object in the judge's folder."""
    return Assembler(musl.folder).build


def simple(name: str, *needed: str, defines: bool = True, uses: bool = True) -> Object:
    """Describe a library that defines and uses the one symbol `f`."""
    return Object(name, None, needed, F if defines else (), USE if uses else (), runpath="$ORIGIN")


def test_versions_mean_nothing(make: Build, musl: MuslJudge) -> None:
    """The first definition of the name serves every version; a missing version is no failure."""
    make(Object("lib.so", None, (), (Definition("f", version="V1"),), (), ("V1",)))
    wants = Reference("f", version="V2", library="lib.so")
    top = make(Object("top.so", None, ("lib.so",), (), (wants,), runpath="$ORIGIN"))
    assert musl.ask(top).agree().bound("top.so", "f") == "lib.so"


def test_a_hidden_version_is_not_found(make: Build, musl: MuslJudge) -> None:
    """`f@V1` is passed over, `f@@V2` of the same object is taken."""
    only_old = (Definition("f", version="V1", default=False),)
    make(Object("old.so", None, (), only_old, (), ("V1", "V2")))
    make(Object("both.so", None, (), (*only_old, Definition("f", version="V2")), (), ("V1", "V2")))
    top = make(Object("top.so", None, ("old.so", "both.so"), (), USE, runpath="$ORIGIN"))
    assert musl.ask(top).agree().bound("top.so", "f") == "both.so"


def test_local_objects_are_visible_to_themselves_only(make: Build, musl: MuslJudge) -> None:
    """And to what came with them."""
    make(simple("below.so"))
    one = make(simple("one.so", "below.so"))
    two = make(simple("two.so", defines=False))
    trial = musl.ask(one, two).agree()
    assert trial.bound("below.so", "f") == "one.so"
    assert trial.said == ("opened", f"Error relocating {two}: f: symbol not found")


@pytest.mark.parametrize("again", [GLOBAL, NOLOAD | Mode.GLOBAL])
def test_promotion(make: Build, musl: MuslJudge, again: Mode) -> None:
    """A second dlopen with RTLD_GLOBAL adds the object and its dependencies for good."""
    make(simple("below.so"))
    one = make(simple("one.so", "below.so", defines=False))
    two = make(simple("two.so"))
    assert musl.ask(one, (one, again), two).agree().bound("two.so", "f") == "below.so"


def test_no_deepbind_and_no_symbolic_scope(make: Build, musl: MuslJudge) -> None:
    """Whoever is visible first serves."""
    stranger, top = make(simple("stranger.so")), make(simple("top.so"))
    assert musl.ask((stranger, GLOBAL), (top, DEEPBIND)).agree().bound("top.so", "f") == "stranger.so"


def test_no_unique_symbols(make: Build, musl: MuslJudge) -> None:
    """STB_GNU_UNIQUE counts as global: each local object keeps its own."""
    things = [Object(f"{n}.so", None, (), (Definition("u", "unique"),), (Reference("u", "got"),)) for n in "ab"]
    trial = musl.ask(*[make(thing) for thing in things]).agree()
    assert (trial.bound("a.so", "u"), trial.bound("b.so", "u")) == ("a.so", "b.so")


def test_an_indirect_function_is_no_definition(make: Build, musl: MuslJudge) -> None:
    """There is no STT_GNU_IFUNC."""
    top = make(Object("top.so", None, (), (Definition("f", "ifunc"),), (Reference("f", "got"),)))
    assert musl.ask(top).agree().said == (f"Error relocating {top}: f: symbol not found",)


@pytest.mark.parametrize("visibility", [1, 2, 3])
def test_visibility_in_the_hash_table_does_not_matter(make: Build, musl: MuslJudge, visibility: int) -> None:
    """find_sym looks at type, binding and value only."""
    first = make(simple("first.so", uses=False))
    patch_symbol(first, "f", other=visibility)
    top = make(Object("top.so", None, ("first.so",), (), USE, runpath="$ORIGIN"))
    assert musl.ask(top).agree().bound("top.so", "f") == "first.so"


def test_a_library_is_known_by_its_file_name(make: Build, musl: MuslJudge) -> None:
    """Where it was found by search; DT_SONAME counts for nothing."""
    make(Object("a/lib.so", "other.so", (), F))
    make(Object("b/lib.so", "lib.so", (), F))
    folder = musl.folder
    top = make(Object("top.so", None, ("lib.so", "other.so"), (), USE))
    trial = musl.ask("lib.so", top, environ={"LD_LIBRARY_PATH": f"{folder}/a:{folder}/b:{folder}"}).agree()
    assert trial.said[1] == f"Error loading shared library other.so: No such file or directory (needed by {top})"


def test_a_path_gives_no_name(make: Build, musl: MuslJudge) -> None:
    """What was opened by a path is not known by name, until a search comes upon the same file."""
    lib = make(simple("a/lib.so"))
    other = make(simple("b/lib.so"))
    path = {"LD_LIBRARY_PATH": f"{musl.folder}/b"}
    trial = musl.ask(lib, "lib.so", (other, NOLOAD), environ=path).agree()
    assert trial.said == ("opened", "opened", "opened")
    assert musl.ask(lib, ("lib.so", NOLOAD)).agree().said[1] == "Library lib.so is not already loaded"


def test_two_names_of_one_file_are_one_object(make: Build, musl: MuslJudge) -> None:
    """By device and inode."""
    lib = make(simple("lib.so"))
    soft, hard = lib.with_name("soft.so"), lib.with_name("hard.so")
    soft.symlink_to(lib.name)
    hard.hardlink_to(lib)
    assert musl.ask(lib, (soft, NOLOAD), (hard, NOLOAD)).agree().said == ("opened",) * 3


@pytest.mark.parametrize("kind", ["rpath", "runpath"])
def test_run_paths_of_the_whole_chain_are_searched(make: Build, musl: MuslJudge, kind: str) -> None:
    """RPATH and RUNPATH alike, after LD_LIBRARY_PATH."""
    make(Object("deep/lib.so", None, (), F))
    make(Object("env/lib.so", None, (), F))
    make(Object("middle.so", None, ("lib.so",), (), USE))
    top = Object("top.so", None, ("middle.so",), (), ())
    path = "$ORIGIN:${ORIGIN}/deep"
    opened = make(replace(top, rpath=path) if kind == "rpath" else replace(top, runpath=path))
    assert {Path(row[2]).parent.name for row in musl.ask(opened).agree().bindings} == {"deep"}
    trial = musl.ask(opened, environ={"LD_LIBRARY_PATH": f"{musl.folder}/env"}).agree()
    assert {Path(row[2]).parent.name for row in trial.bindings} == {"env"}


def test_a_file_where_a_directory_should_be(make: Build, musl: MuslJudge) -> None:
    """What strerror() says shows in the message."""
    lib = make(simple("lib.so"))
    assert musl.ask(lib / "inside.so").agree().said[0].endswith(": Not a directory")


def test_unknown_tokens_disable_a_run_path(make: Build, musl: MuslJudge) -> None:
    """$LIB and $PLATFORM are not musl's."""
    make(Object("a/lib.so", None, (), F))
    top = make(Object("top.so", None, ("lib.so",), (), USE, runpath="$ORIGIN/a:$ORIGIN/$LIB"))
    assert "No such file" in musl.ask(top).agree().said[0]


@pytest.mark.parametrize("content", [b"", b"text" * 100, b"\x7fELF\x02\x01\x01" + bytes(100)])
def test_what_is_no_library(musl: MuslJudge, content: bytes) -> None:
    """The first file of the name counts, whatever it is."""
    bad = musl.folder / "bad.so"
    bad.write_bytes(content)
    trial = musl.ask(bad, "bad.so", "nowhere.so", environ={"LD_LIBRARY_PATH": str(musl.folder)}).agree()
    assert trial.said[1] == "Error loading shared library bad.so: Exec format error"


@pytest.mark.parametrize("name", ["libc.so", "libc.musl-x86_64.so.1", "libpthread.so.0", "libm.so.6", "libdl.so.2"])
def test_the_c_library_answers_to_many_names(make: Build, musl: MuslJudge, name: str) -> None:
    """It is the dynamic linker itself."""
    top = make(Object("top.so", None, (name,), (), (Reference("malloc", "call"),)))
    assert musl.ask(top).agree().bound("top.so", "malloc") == LIBC


LIBC = LOADER.resolve().name


def test_initial_exec_tls_of_loaded_objects_fails(make: Build, musl: MuslJudge) -> None:
    """There is no surplus."""
    top = make(Object("top.so", None, (), (Definition("t", "tls"),), (Reference("t", "ie"),)))
    said = f"Error relocating {top}: t: initial-exec TLS resolves to dynamic definition in {top}"
    assert musl.ask(top).agree().said == (said,)


def test_calls_are_relocated_first(make: Build, musl: MuslJudge) -> None:
    """The first undefined symbol is one of DT_JMPREL, if there is one."""
    top = make(Object("top.so", None, (), (), (Reference("word", "got"), Reference("call", "call"))))
    assert musl.ask(top).agree().said == (f"Error relocating {top}: call: symbol not found",)


def test_lazy_references_wait_for_a_definition(make: Build, musl: MuslJudge) -> None:
    """Calls and GOT entries that RTLD_LAZY leaves over are bound when a global object brings the symbol."""
    options = ("-z", "norelro")  # else musl writes to a GOT that it has protected, and crashes
    top = make(Object("top.so", None, (), (), (Reference("f", "call"), Reference("g", "got")), options=options))
    local = make(Object("local.so", None, (), (*F, Definition("g"))))
    assert musl.ask((top, LAZY), local).agree().bound("top.so", "f") is None
    trial = musl.ask((top, LAZY), (local, GLOBAL)).agree()
    assert (trial.bound("top.so", "f"), trial.bound("top.so", "g")) == ("local.so", "local.so")


def test_what_a_failed_load_brought_is_gone(make: Build, musl: MuslJudge) -> None:
    """Also the visibility it had."""
    make(simple("below.so"))
    broken = make(Object("broken.so", None, ("below.so",), F, (Reference("missing", "call"),), runpath="$ORIGIN"))
    user = make(simple("user.so", defines=False))
    trial = musl.ask((broken, GLOBAL), user, (musl.folder / "below.so", NOLOAD)).agree()
    assert trial.said[2].endswith("is not already loaded")


def test_preloads_are_visible_first(make: Build, musl: MuslJudge) -> None:
    """Right behind the program."""
    preload, top = make(simple("preload.so")), make(simple("top.so"))
    assert musl.ask(top, environ={"LD_PRELOAD": str(preload)}).agree().bound("top.so", "f") == "preload.so"


def play(world: LinkWorld, judge: MuslJudge) -> None:
    """Build a world and let musl and the model load it."""
    with tempfile.TemporaryDirectory(dir=judge.folder) as name:
        folder = Path(name)
        build_world(world, folder, X86_64)
        steps = [placed(folder, *step) for step in world.steps if not isinstance(step, Close)]
        path = ":".join(str(folder / part) for part in world.library_path)
        judge.ask(*steps, environ={"LD_LIBRARY_PATH": path}).agree()


CALM = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(world=link_worlds(musl=True))
@settings(CALM, max_examples=12, derandomize=True)
def test_random_worlds_load_as_predicted(musl: MuslJudge, world: LinkWorld) -> None:
    """The same worlds each time."""
    play(world, musl)


@pytest.mark.slow
@given(world=link_worlds(musl=True))
@settings(CALM, max_examples=300)
def test_many_random_worlds_load_as_predicted(musl: MuslJudge, world: LinkWorld) -> None:
    """New worlds each time."""
    play(world, musl)

"""Where a look-up goes: global scope, search lists, promotion, RTLD_DEEPBIND, DT_SYMBOLIC (glibc elf/dl-open.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.linker.link_map import Mode
from tests.linker.assembly import Definition, Object, Reference
from tests.linker.judge import DEEPBIND, GLOBAL, LAZY, NOLOAD, NOW

if TYPE_CHECKING:
    from tests.linker.conftest import Build
    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler
F, USE = (Definition("f"),), (Reference("f", "call"),)


def simple(name: str, *needed: str, defines: bool = True, uses: bool = True, options: tuple[str, ...] = ()) -> Object:
    """Describe a library that defines and uses the one symbol `f`."""
    return Object(name, name, needed, F if defines else (), USE if uses else (), runpath="$ORIGIN", options=options)


def test_an_object_is_interposed_by_what_stands_before_it(build: Build, judge: Judge) -> None:
    """Also for symbols that it defines itself."""
    own = build(simple("own.so"))
    first = build(simple("first.so", "own.so"))
    trial = judge.ask(first, own).agree()
    assert trial.bound("own.so", "f") == "first.so"


def test_a_dependency_is_bound_in_the_scope_of_the_object_that_was_opened(build: Build, judge: Judge) -> None:
    """And keeps it: a later opener gets the dependency as it is."""
    build(simple("shared.so"))
    one, two = build(simple("one.so", "shared.so")), build(simple("two.so", "shared.so"))
    trial = judge.ask(one, two).agree()
    assert (trial.bound("shared.so", "f"), trial.bound("two.so", "f")) == ("one.so", "two.so")
    trial = judge.ask(two, one).agree()
    assert trial.bound("shared.so", "f") == "two.so"


def test_the_search_list_is_breadth_first(build: Build, judge: Judge) -> None:
    """A direct dependency comes before the dependencies of an earlier one."""
    build(simple("deep.so"))
    build(simple("left.so", "deep.so", defines=False))
    build(simple("right.so"))
    top = build(simple("top.so", "left.so", "right.so", defines=False))
    assert judge.ask(top).agree().bound("top.so", "f") == "right.so"


def test_local_objects_serve_nobody_else(build: Build, judge: Judge) -> None:
    """RTLD_LOCAL is the default."""
    first, second = build(simple("first.so")), build(simple("second.so", defines=False))
    trial = judge.ask(first, second).agree()
    assert trial.said == ("opened", f"{second}: undefined symbol: f")


def test_global_objects_come_before_the_own_list(build: Build, judge: Judge) -> None:
    """In the order in which they became global, dependencies included."""
    build(simple("below.so"))
    first, second = build(simple("first.so", "below.so", defines=False)), build(simple("second.so"))
    user = build(simple("user.so"))
    assert judge.ask((first, GLOBAL), (second, GLOBAL), user).agree().bound("user.so", "f") == "below.so"
    assert judge.ask((second, GLOBAL), (first, GLOBAL), user).agree().bound("user.so", "f") == "second.so"


@pytest.mark.parametrize("again", [GLOBAL, NOLOAD | Mode.GLOBAL, LAZY | Mode.GLOBAL])
def test_a_second_dlopen_promotes(build: Build, judge: Judge, again: Mode) -> None:
    """RTLD_GLOBAL on an object that is there already adds it with its dependencies."""
    build(simple("below.so"))
    first = build(simple("first.so", "below.so", defines=False))
    user = build(simple("user.so"))
    trial = judge.ask(first, (first, again), user).agree()
    assert trial.bound("user.so", "f") == "below.so"


def test_a_dependency_opened_by_itself_gets_a_list_of_its_own(build: Build, judge: Judge) -> None:
    """Its promotion takes its own dependencies along, not its opener."""
    build(simple("below.so"))
    middle = build(simple("middle.so", "below.so", defines=False))
    top = build(simple("top.so", "middle.so"))
    user = build(simple("user.so", defines=False))
    trial = judge.ask(top, (middle, GLOBAL), user).agree()
    assert trial.bound("user.so", "f") == "below.so"
    assert trial.bound("middle.so", "f") == "top.so"


def test_noload_finds_and_does_not_load(build: Build, judge: Judge) -> None:
    """By path, by soname, and not at all."""
    first, absent = build(simple("first.so")), build(simple("absent.so"))
    trial = judge.ask((absent, NOLOAD), first, (first, NOLOAD), ("first.so", NOLOAD), ("nowhere.so", NOLOAD)).agree()
    assert trial.said[:4] == ("nothing", "opened", "opened", "opened")


def test_deepbind_puts_the_own_list_first(build: Build, judge: Judge) -> None:
    """For the dependencies that come with it too, and after the first part there is still the global scope."""
    stranger = build(simple("stranger.so"))
    build(simple("below.so"))
    only = Object("top.so", "top.so", ("below.so",), (), (*USE, Reference("g")), runpath="$ORIGIN")
    top = build(only)
    helper = build(Object("helper.so", "helper.so", (), (Definition("g"),)))
    trial = judge.ask((stranger, GLOBAL), (helper, GLOBAL), (top, DEEPBIND)).agree()
    assert (trial.bound("top.so", "f"), trial.bound("below.so", "f")) == ("below.so", "below.so")
    assert trial.bound("top.so", "g") == "helper.so"


def test_deepbind_does_not_change_what_was_there(build: Build, judge: Judge) -> None:
    """Only new objects get the scope."""
    stranger = build(simple("stranger.so"))
    first = build(simple("first.so"))
    trial = judge.ask((stranger, GLOBAL), first, (first, DEEPBIND)).agree()
    assert trial.bound("first.so", "f") == "stranger.so"


@pytest.mark.parametrize("option", ["-Bsymbolic", None])
@pytest.mark.parametrize("mode", [NOW, GLOBAL, DEEPBIND])
def test_symbolic_objects_look_into_themselves_first(
    build: Build, judge: Judge, mode: Mode, option: str | None
) -> None:
    """DT_SYMBOLIC: the version leaves the look-up to ld.so, and the object's own base version satisfies it."""
    stranger = build(simple("stranger.so"))
    build(Object("below.so", "below.so", (), (Definition("f", version="V1"),), (), ("V1",)))
    wants = (Reference("f", version="V1", library="below.so"),)
    options = (option,) if option else ()
    top = build(Object("top.so", "top.so", ("below.so",), F, wants, runpath="$ORIGIN", options=options))
    trial = judge.ask((stranger, GLOBAL), (top, mode)).agree()
    assert trial.bound("top.so", "f") == ("top.so" if option or mode == DEEPBIND else "stranger.so")


def test_start_up_objects_and_preloads_are_global(builder: Builder, build: Build, judge: Judge) -> None:
    """Executable, preloads, dependencies, in this order; a preload interposes on all others."""
    below = build(simple("below.so"))
    preload = build(simple("preload.so"))
    program = builder.program(
        "program",
        "#include <dlfcn.h>\n#include <stdio.h>\nint f(void);\n"
        "int main(int count, char **words) {\n"
        'puts(count > 2 && dlopen(words[2], 2) ? "opened" : dlerror()); return count > 9 ? f() : 0; }',
        libs=[below],
        flags=["-Wl,-rpath,$ORIGIN", "-Wl,-z,now"],
    )
    user = build(simple("user.so"))
    trial = judge.ask(user, program=program).agree()
    assert trial.bound("user.so", "f") == "below.so"
    trial = judge.ask(user, program=program, environ={"LD_PRELOAD": str(preload)}).agree()
    assert {trial.bound(name, "f") for name in ("user.so", "below.so", "program")} == {"preload.so"}


@pytest.mark.parametrize("how", ["needed", "preloaded"])
def test_symbolic_counts_at_start_up(builder: Builder, build: Build, judge: Judge, how: str) -> None:
    """Libraries of the program with DF_SYMBOLIC look into themselves before the global scope."""
    library = build(
        Object(
            "lib.so",
            "lib.so",
            (),
            (Definition("f", version="V1"), Definition("f", version="V2", default=False)),
            (Reference("f", version="V1", library="other.so"),),
            ("V1", "V2"),
            options=("-Bsymbolic",),
        )
    )
    source = "int f(void) { return 1; } int main(void) { return 0; }"
    flags = ["-rdynamic", "-Wl,-rpath,$ORIGIN"]
    program = builder.program("program", source, libs=[library] if how == "needed" else [], flags=flags)
    environ = {"LD_PRELOAD": str(library)} if how == "preloaded" else {}
    judge.ask(program=program, environ=environ).agree()


def test_dynamic_weak_prefers_strong_definitions(build: Build, judge: Judge) -> None:
    """LD_DYNAMIC_WEAK: the first weak definition only where no object of the whole scope has a strong one."""
    weak = Definition("f", bind="weak")
    one = build(Object("one.so", "one.so", (), (weak,)))
    two = build(Object("two.so", "two.so", (), (weak, Definition("g", bind="weak"))))
    strong = build(Object("strong.so", "strong.so", (), F))
    user = Object("user.so", "user.so", ("strong.so",), (), (*USE, Reference("g")), runpath="$ORIGIN")
    top = build(user)
    loads = [(one, GLOBAL), (two, GLOBAL), (top, NOW)]
    trial = judge.ask(*loads).agree()
    assert trial.bound("user.so", "f") == "one.so"
    trial = judge.ask(*loads, environ={"LD_DYNAMIC_WEAK": "1"}).agree()
    assert (trial.bound("user.so", "f"), trial.bound("user.so", "g")) == ("strong.so", "two.so")
    assert strong.exists()


def test_lazy_binding_forgives_undefined_functions_only(build: Build, judge: Judge) -> None:
    """RTLD_LAZY leaves PLT slots alone; a word of data, and an object linked with -z now, fail at once."""
    call, word = build(simple("call.so", defines=False)), Object("word.so", None, (), (), (Reference("f", "got"),))
    hurry = build(simple("hurry.so", defines=False, options=("-znow",)))
    trial = judge.ask((call, LAZY), (build(word), LAZY), (hurry, LAZY), bind_now=False).agree()
    assert [line.rpartition(": ")[2] for line in trial.said] == ["opened", "f", "f"]


def test_what_a_failed_load_brought_is_gone(build: Build, judge: Judge) -> None:
    """And the program goes on; a second try fails alike, and its dependency can be opened by itself."""
    below = build(simple("below.so"))
    broken = Object("broken.so", "broken.so", ("below.so",), F, (Reference("missing"), *USE), runpath="$ORIGIN")
    top = build(broken)
    user = build(simple("user.so", "below.so", defines=False))
    trial = judge.ask((top, GLOBAL), top, user, below).agree()
    assert trial.said[0] == trial.said[1] == f"{top}: undefined symbol: missing"
    assert trial.bound("user.so", "f") == "below.so"


def test_a_missing_dependency_undoes_the_whole_load(build: Build, judge: Judge) -> None:
    """What was mapped before the missing one is gone as well."""
    build(simple("below.so"))
    top = build(simple("top.so", "below.so", "nowhere.so"))
    trial = judge.ask(top, ("below.so", NOLOAD)).agree()
    assert trial.said[0] == "nowhere.so: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize("mode", [Mode(0), Mode.GLOBAL])
def test_neither_lazy_nor_now_is_no_mode(build: Build, judge: Judge, mode: Mode) -> None:
    """Dlopen says so before it looks for the file."""
    trial = judge.ask((build(simple("first.so")), mode), bind_now=False).agree()
    assert trial.said[0].endswith(": invalid mode for dlopen(): Invalid argument")

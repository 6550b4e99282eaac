"""Which file a name means (glibc elf/dl-load.c _dl_map_object, open_path, _dl_dst_substitute).

Every case has the same library in several folders, each with its own symbol, so that what was found shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.linker.assembly import Definition, Object
from tests.linker.judge import NOW
from tests.linker.patching import patch_header
from tests.linker.predicted import predict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.linker.conftest import Build
    from tests.linker.judge import Judge
    from tests.support.builder import Builder

pytestmark = pytest.mark.compiler


@dataclass(frozen=True)
class Case:
    """Who finds `lib.so` where. expected: folder of the one that is taken, None for none. places: folders that have it.

    top, middle: run paths as (kind, value); `top.so` is opened and needs `middle.so`, which needs `lib.so`.
    """

    expected: str | None
    places: tuple[str, ...]
    middle: Mapping[str, str] = field(default_factory=dict)
    top: Mapping[str, str] = field(default_factory=dict)
    library_path: str = ""


CASES = {
    "RUNPATH of the requester": Case("a", ("a", "b"), {"runpath": "$ORIGIN/a:$ORIGIN/b"}),
    "RPATH of the requester": Case("b", ("a", "b"), {"rpath": "$ORIGIN/b:$ORIGIN/a"}),
    "RPATH of the requester's loader": Case("a", ("a",), {}, {"rpath": "$ORIGIN:$ORIGIN/a"}),
    "the requester's RPATH before its loader's": Case(
        "b", ("a", "b"), {"rpath": "$ORIGIN/b"}, {"rpath": "$ORIGIN:$ORIGIN/a"}
    ),
    "RUNPATH is not inherited": Case(None, ("a",), {}, {"runpath": "$ORIGIN:$ORIGIN/a"}),
    "a RUNPATH silences the loader's RPATH": Case(
        None, ("a",), {"runpath": "$ORIGIN/b"}, {"rpath": "$ORIGIN:$ORIGIN/a"}
    ),
    "RPATH before LD_LIBRARY_PATH": Case("a", ("a", "b"), {"rpath": "$ORIGIN/a"}, {}, "b"),
    "an inherited RPATH before LD_LIBRARY_PATH": Case("a", ("a", "b"), {}, {"rpath": "$ORIGIN:$ORIGIN/a"}, "b"),
    "LD_LIBRARY_PATH before RUNPATH": Case("b", ("a", "b"), {"runpath": "$ORIGIN/a"}, {}, "b"),
    "LD_LIBRARY_PATH in its order": Case("b", ("a", "b"), {}, {}, "nowhere:b:a"),
    "LD_LIBRARY_PATH with semicolons": Case("b", ("a", "b"), {}, {}, "b;a"),
    "${ORIGIN} in braces": Case("a", ("a",), {"runpath": "${ORIGIN}/a"}),
    "$ORIGIN in the middle": Case("a", ("a",), {"runpath": "/nowhere$ORIGIN/a:$ORIGIN/a"}),
    "a token that goes on is no token": Case(None, ("a",), {"runpath": "$ORIGINAL/a"}),
    "an unknown token stays": Case("$NAME", ("$NAME",), {"runpath": "$ORIGIN/$NAME"}),
    "a way through another folder": Case("a", ("a", "b"), {"runpath": "$ORIGIN/b/../a"}),
    "no way through a folder that is not there": Case(None, ("a",), {"runpath": "$ORIGIN/b/../a"}),
    "hwcaps before the folder itself": Case(
        "a/glibc-hwcaps/x86-64-v2", ("a", "a/glibc-hwcaps/x86-64-v2"), {"runpath": "$ORIGIN/a"}
    ),
    "the best hwcaps first": Case(
        "a/glibc-hwcaps/x86-64-v3", ("a/glibc-hwcaps/x86-64-v2", "a/glibc-hwcaps/x86-64-v3"), {"runpath": "$ORIGIN/a"}
    ),
    "hwcaps of an earlier folder only": Case("a", ("a", "b/glibc-hwcaps/x86-64-v2"), {}, {}, "a:b"),
    "an unknown hwcaps folder is not searched": Case(None, ("a/glibc-hwcaps/z80",), {"runpath": "$ORIGIN/a"}),
    "tls, a folder of the old kind": Case("a/tls", ("a", "a/tls"), {"runpath": "$ORIGIN/a"}),
    "old folders by processor": Case("a/x86_64", ("a", "a/x86_64"), {"runpath": "$ORIGIN/a"}),
}


def place(build: Build, folder: str) -> Path:
    """Build a `lib.so`."""
    return build(Object(f"{folder}/lib.so", "lib.so", (), (Definition("f"),)))


def where(
    judge: Judge, *names: str | Path, environ: Mapping[str, str] | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """Return the folders of the `lib.so` that were loaded, and what was said."""
    trial = judge.ask(*names, environ=environ).agree()
    root = judge.folder.resolve()
    found = [trial.process.world.paths[file] for file in trial.process.maps]
    observed = {trial.alias(event.path) for event in trial.log.events if event.kind == "relocate"}
    assert {path for path in found if path.startswith(f"{root}/")} == {p for p in observed if p.startswith(f"{root}/")}
    return [
        path.removeprefix(f"{root}/").removesuffix("/lib.so") for path in found if path.endswith("/lib.so")
    ], trial.said


@pytest.mark.parametrize("name", CASES)
def test_a_needed_name_is_found_in_order(build: Build, judge: Judge, name: str) -> None:
    """The first folder that has it."""
    case = CASES[name]
    for folder in case.places:
        place(build, folder)
    build(Object("middle.so", "middle.so", ("lib.so",), **case.middle))  # type: ignore[arg-type] # run paths
    top = build(Object("top.so", "top.so", ("middle.so",), **{"runpath": "$ORIGIN"} if not case.top else case.top))  # type: ignore[arg-type]
    path = case.library_path
    if path:
        separator = ";" if ";" in path else ":"
        path = separator.join(f"{judge.folder}/{part}" for part in path.split(separator))
    found, said = where(judge, top, environ={"LD_LIBRARY_PATH": path} if path else {})
    if case.expected is not None and "/" in case.expected and not set(judge.host.subdirectories) & {case.expected[2:]}:
        pytest.skip(f"this machine's ld.so does not search {case.expected}")
    assert found == ([] if case.expected is None else [case.expected])
    assert (said == ("opened",)) == (case.expected is not None)


@pytest.mark.parametrize("path", ["file:a", "a:file", "nowhere:a", "{}/file:a"])
def test_a_file_among_relative_directories_ends_the_search(
    build: Build, judge: Judge, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Since glibc 2.39 it does not (bug 31035); of an absolute path ld.so looks whether it is a directory."""
    place(build, "a")
    (judge.folder / "file").write_text("no directory")
    monkeypatch.chdir(judge.folder)
    environ = {"LD_LIBRARY_PATH": path.format(judge.folder)}
    found = where(judge, "lib.so", environ=environ)[0]
    assert found == ([] if path == "file:a" and judge.host.libc_version < (2, 39) else ["a"])
    settings = {"libc_version": (2, 39), "library_path": tuple(environ["LD_LIBRARY_PATH"].split(":"))}
    assert predict(judge, judge.driver, [("lib.so", NOW)], **settings).events[-1].failure is None


@pytest.mark.parametrize("kind", ["rpath", "runpath"])
@pytest.mark.parametrize("asked", ["dlopen", "needed"])
def test_the_programs_run_path(builder: Builder, build: Build, judge: Judge, kind: str, asked: str) -> None:
    """Its RPATH serves every search, its RUNPATH only its own."""
    place(build, "a")
    top = build(Object("top.so", "top.so", ("lib.so",)))
    tags = "--disable-new-dtags" if kind == "rpath" else "--enable-new-dtags"
    source = """
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int n, char **words) { puts(dlopen(words[2], 2) ? "opened" : dlerror()); return 0; }
    """
    program = builder.program("program", source, flags=[f"-Wl,{tags},-rpath,$ORIGIN/a"])
    trial = judge.ask("lib.so" if asked == "dlopen" else top, program=program).agree()
    assert (trial.said == ("opened",)) == (asked == "dlopen" or kind == "rpath")


def test_an_empty_element_is_the_working_directory(build: Build, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """In LD_LIBRARY_PATH as in a run path."""
    place(build, "a")
    monkeypatch.chdir(judge.folder / "a")
    assert where(judge, "lib.so", environ={"LD_LIBRARY_PATH": "/nowhere:"}) == (["a"], ("opened",))
    top = build(Object("top.so", "top.so", ("lib.so",), runpath=":/nowhere"))
    assert where(judge, top) == (["a"], ("opened",))
    assert where(judge, "./lib.so") == (["a"], ("opened",))


def test_origin_is_where_the_link_lies(build: Build, judge: Judge) -> None:
    """Not where it points to."""
    place(build, "a")
    place(build, "b")
    build(Object("a/top.so", "top.so", ("lib.so",), runpath="$ORIGIN"))
    (judge.folder / "b" / "top.so").symlink_to("../a/top.so")
    assert where(judge, judge.folder / "b" / "top.so")[0] == ["b"]


@pytest.mark.parametrize("token", ["$LIB", "${LIB}", "$PLATFORM", "${PLATFORM}"])
def test_lib_and_platform(build: Build, judge: Judge, token: str) -> None:
    """$LIB is this system's library folder, $PLATFORM the processor."""
    value = judge.host.lib if "LIB" in token else judge.host.platform
    place(build, f"a/{value}")
    top = build(Object("top.so", "top.so", ("lib.so",), runpath=f"$ORIGIN/a/{token}"))
    assert where(judge, top)[0] == [f"a/{value}"]


def test_tokens_in_a_needed_name_and_in_dlopen(build: Build, judge: Judge) -> None:
    """A DT_NEEDED with $ORIGIN is a path; the argument of dlopen is expanded for the caller."""
    place(build, "a")
    top = build(Object("top.so", "top.so", ("$ORIGIN/a/lib.so",)))
    assert where(judge, top)[0] == ["a"]
    assert where(judge, "$ORIGIN/../a/lib.so")[0] == ["a"]


def test_a_needed_path_is_not_searched_for(build: Build, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slash makes it a path, from the working directory."""
    place(build, "a")
    top = build(Object("top.so", "top.so", ("a/lib.so",), runpath="$ORIGIN/a"))
    assert where(judge, top)[0] == []
    monkeypatch.chdir(judge.folder)
    assert where(judge, top)[0] == ["a"]


def test_system_libraries_come_from_the_cache(build: Build, judge: Judge) -> None:
    """A run path that has the name wins over it."""
    top = build(Object("top.so", "top.so", ("libm.so.6",), runpath="$ORIGIN/a"))
    assert judge.ask(top, "libm.so.6").agree().said == ("opened", "opened")
    build(Object("a/libm.so.6", "libm.so.6", (), (Definition("f"),)))
    trial = judge.ask(top, "libm.so.6").agree()
    assert [path for path in trial.process.world.paths if path.endswith("/a/libm.so.6")]


def test_nodeflib_forbids_the_default_directories(build: Build, judge: Judge) -> None:
    """Whether they are found in the cache or by search."""
    top = build(Object("top.so", "top.so", ("libm.so.6",), options=("-z", "nodefaultlib")))
    said = judge.ask(top).agree().said
    assert said == ("libm.so.6: cannot open shared object file",)  # no file was tried, so there is no errno


def test_a_search_goes_on_past_unfit_files(build: Build, judge: Judge) -> None:
    """And stops with an error at a file that is no ELF."""
    patch_header(place(build, "a"), 18, b"\xb7\0")
    place(build, "b")
    path = {"LD_LIBRARY_PATH": f"{judge.folder}/a:{judge.folder}/b"}
    assert where(judge, "lib.so", environ=path) == (["b"], ("opened",))
    (judge.folder / "a" / "lib.so").write_text("no library at all" * 8)
    assert where(judge, "lib.so", environ=path) == ([], (f"{judge.folder}/a/lib.so: invalid ELF header",))

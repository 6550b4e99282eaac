"""Investigations from start to end, on small packages that break each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.lab.environments import make_environment
from abiclash.lab.investigate import programs
from abiclash.lab.investigate.difference import displaced
from abiclash.lab.investigate.investigation import Setup, investigate
from abiclash.lab.investigate.result import Load, Outcome, Program, Role, Status
from abiclash.lab.run import Limits
from abiclash.reports import investigation as report
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.lab.investigate.result import Investigation
    from tests.support import Builder

# What libstdc++ was in 2019: a runtime that keeps a function in a variable, and calls it.
_RUNTIME = """
    void (*pending)(void);
    int unrelated = 1;
    int other_unrelated = 2;
    void run_pending(void) { pending(); }
    int *get_unrelated(void) { return &unrelated; }
    int *get_other(void) { return &other_unrelated; }
"""
_CAPTOR = """
    void (*pending)(void);
    int unrelated = 1;
    int other_unrelated = 2;
    extern int *get_unrelated(void);
    int *captor(void) { return get_unrelated(); }
"""
_VICTIM = """
    extern void (*pending)(void);
    extern void run_pending(void);
    static int done;
    static void set(void) { done = 1; }
    __attribute__((constructor)) static void start(void) { pending = set; run_pending(); }
"""


def _wheel(folder: Path, name: str, library: Path, runtime: Path) -> Path:
    code = f"import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), {library.name!r}))\n"
    files: dict[str, str | bytes | Path] = {f"{name}/__init__.py": code, f"{name}/{library.name}": library}
    return make_wheel(folder, files, name=name, tag="py3-none-any", requires=["runtime"] if runtime else ())


def _investigate(folder: Path, wheels: list[Path], imports: list[str]) -> Investigation:
    environment = make_environment([str(wheel) for wheel in wheels], sys.executable, folder / "environments")
    setup = Setup(
        environment=environment,
        targets=tuple(wheel.name for wheel in wheels),
        programs=programs.imports(imports),
        base=sys.executable,
        cache=folder,
        limits=Limits(60),
        seconds=120,
    )
    return investigate(setup)


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Investigation:
    from tests.support import Builder  # noqa: PLC0415 - a module's fixture has no `builder`

    folder = tmp_path_factory.mktemp("captured")
    builder: Builder = Builder.at(folder)
    runtime = builder.library("libruntime.so.1", _RUNTIME)
    captor = builder.library("libcaptor.so", _CAPTOR, libs=[runtime], runpath="$ORIGIN/../runtime")
    victim = builder.library("libvictim.so", _VICTIM, libs=[runtime], runpath="$ORIGIN/../runtime")
    wheels = [
        make_wheel(
            folder, {"runtime/__init__.py": "", f"runtime/{runtime.name}": runtime}, name="runtime", tag="py3-none-any"
        ),
        _wheel(folder, "captor", captor, runtime),
        _wheel(folder, "victim", victim, runtime),
    ]
    return _investigate(folder, wheels, ["captor", "victim"])


@pytest.mark.compiler
def test_a_captured_variable_is_proven_to_be_the_cause(captured: Investigation) -> None:
    assert [(str(each), each.outcome.text) for each in captured.programs] == [
        ("import captor", "works"),
        ("import victim", "works"),
        ("import captor; import victim", "SIGSEGV"),
        ("import victim; import captor", "works"),
    ]
    assert captured.cause is not None
    assert captured.cause.status is Status.PROVEN
    assert captured.cause.suspect.object == "captor/libcaptor.so"
    assert (captured.cause.removing, captured.cause.restoring) == (("pending",), ("pending",))
    assert captured.cause.minimal


@pytest.mark.compiler
def test_placebos_change_nothing(captured: Investigation) -> None:
    assert captured.cause is not None
    placebos = [each for each in captured.cause.attempts if each.role is Role.PLACEBO]
    assert [(each.symbols, each.outcome.text, each.good) for each in placebos] == [
        (("other_unrelated",), "SIGSEGV", True),
        (("unrelated",), "SIGSEGV", True),
        ((), "works", True),
        (("other_unrelated",), "works", True),
    ]


@pytest.mark.compiler
def test_the_evidence_names_both_copies(captured: Investigation) -> None:
    failing, passing = captured.bound
    pending = {(row.source, row.target) for row in failing if row.symbol == "pending"}
    assert pending == {
        ("captor/libcaptor.so", "captor/libcaptor.so"),
        ("runtime/libruntime.so.1", "captor/libcaptor.so"),
        ("victim/libvictim.so", "runtime/libruntime.so.1"),
    } - {("captor/libcaptor.so", "captor/libcaptor.so")}
    assert {row.target for row in passing if row.symbol == "pending"} == {"runtime/libruntime.so.1"}
    assert [each.agree == each.observed and not each.extra for each in captured.agreements] == [True, True]
    held = {(value.object, value.symbol): value.target for value in captured.values}
    assert held["captor/libcaptor.so", "pending"] == "null"


@pytest.mark.compiler
def test_the_report_tells_it_in_both_forms(captured: Investigation) -> None:
    files = report.files(captured, "abiclash investigate captor victim")
    text = files["report.md"]
    assert text.startswith("# Why `import captor; import victim` ends with SIGSEGV\n")
    assert "The cause is proven: `captor/libcaptor.so` of captor-1.0 exports definitions" in text
    for heading in ("What was run", "What differs", "The proof", "Whose responsibility", "To reproduce", "Provenance"):
        assert f"\n## {heading}\n" in text
    assert {"definitions.svg", "scopes.svg", "loads.svg"} < set(files)
    assert "<script" not in files["report.html"]
    assert files == report.files(captured, "abiclash investigate captor victim")


@pytest.mark.compiler
def test_a_library_taken_for_another_is_proven(builder: Builder, tmp_path: Path) -> None:
    old = builder.library("libshared.so", "int old(void) { return 1; }", into=tmp_path / "a")
    new = builder.library(
        "libshared.so", "int old(void) { return 1; } int fresh(void) { return 2; }", into=tmp_path / "b"
    )
    extra = builder.library("libextra.so", "int extra(void) { return 3; }")
    first = builder.library(
        "liba.so", "extern int old(void); int a(void) { return old(); }", libs=[old, extra], runpath="$ORIGIN"
    )
    second = builder.library(
        "libb.so", "extern int fresh(void); int b(void) { return fresh(); }", libs=[new], runpath="$ORIGIN"
    )
    load = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), {!r}))\n"
    one: dict[str, str | bytes | Path] = {
        "a/__init__.py": load.format("liba.so"),
        "a/liba.so": first,
        "a/libshared.so": old,
        "a/libextra.so": extra,
    }
    two: dict[str, str | bytes | Path] = {
        "b/__init__.py": load.format("libb.so"),
        "b/libb.so": second,
        "b/libshared.so": new,
    }
    wheels = [
        make_wheel(tmp_path, one, name="a", tag="py3-none-any"),
        make_wheel(tmp_path, two, name="b", tag="py3-none-any"),
    ]
    found = _investigate(tmp_path, wheels, ["a", "b"])
    assert found.failing is not None
    assert (str(found.failing), found.failing.outcome.text) == ("import a; import b", "exit status 1 (OSError)")
    assert found.cause is not None
    assert (found.cause.suspect.kind, found.cause.suspect.object) == ("library", "a/libshared.so")
    assert found.cause.status is Status.PROVEN


@pytest.mark.compiler
def test_a_variable_taken_from_the_global_scope_is_proven(builder: Builder, tmp_path: Path) -> None:
    loud = builder.library("libloud.so", "int flag = 1; int other = 1; int get(void) { return flag + other; }")
    quiet = builder.library(
        "libquiet.so",
        """
        #include <stdlib.h>
        struct { long a, b, c; } flag = {7, 7, 7};
        int other = 1;
        __attribute__((constructor)) static void start(void) { if (flag.a != 7 || !other) abort(); }
        """,
    )
    load = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), {!r}){})\n"
    one: dict[str, str | bytes | Path] = {
        "loud/__init__.py": load.format("libloud.so", ", ctypes.RTLD_GLOBAL"),
        "loud/libloud.so": loud,
    }
    two: dict[str, str | bytes | Path] = {
        "quiet/__init__.py": load.format("libquiet.so", ""),
        "quiet/libquiet.so": quiet,
    }
    wheels = [
        make_wheel(tmp_path, one, name="loud", tag="py3-none-any"),
        make_wheel(tmp_path, two, name="quiet", tag="py3-none-any"),
    ]
    found = _investigate(tmp_path, wheels, ["loud", "quiet"])
    assert found.failing is not None
    assert (str(found.failing), found.failing.outcome.text) == ("import loud; import quiet", "SIGABRT")
    assert found.cause is not None
    assert found.cause.status is Status.PROVEN
    assert (found.cause.removing, found.cause.restoring) == (("flag",), ("flag",))
    sizes = [(each.object, each.size) for each in found.sizes if each.symbol == "flag"]
    assert sizes == [("loud/libloud.so", 4), ("quiet/libquiet.so", 24)]
    text = report.markdown(found, "")
    assert "differ in size: 4 bytes in `loud/libloud.so`, 24 bytes in `quiet/libquiet.so`." in text
    assert "Both sides can end it: the other one by not exporting the names" in text


def test_statements_are_cut_apart() -> None:
    assert programs.statements("import a, b as c\nx = 1; import d") == (
        "import a",
        "import b as c",
        "x = 1",
        "import d",
    )


def test_the_failing_program_is_compared_with_its_own_end() -> None:
    good, bad = Outcome(0, "works"), Outcome(-11, "SIGSEGV")
    alone, joint, other = (Program(("b",), good), Program(("a", "b"), bad), Program(("b", "a"), good))
    assert programs.pair([Program(("a",), good), alone, joint, other]) == (joint, alone)
    assert programs.pair([other]) == (None, other)
    assert programs.pair([joint]) == (joint, None)


def test_libraries_of_one_name_are_found_whatever_their_minor_numbers() -> None:
    host = Load("/usr/lib/libstdc++.so.6.0.30", "")
    own = Load("pkg/libstdc++.so.6", "pkg-1.0")
    other = Load("pkg/libz.so.1", "pkg-1.0")
    assert displaced([host], [own, other]) == [(host.path, own.path)]
    assert displaced([host, own], [own, other]) == []
    assert displaced([host], [Load("/lib/libstdc++.so.6.0.30", "")]) == []
    assert displaced([Load("a/core.so", "a-1")], [Load("b/core.so", "b-1")]) == []

"""What maintainers are told to do does what it says: flags of the linker and the compiler on small libraries."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import duplicate_runtime, executable_stack, split_state, static_tls, unique_symbol
from abiclash.rules.model import Severity
from tests.rules.test_split_state import RUNTIME, USER
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rules.harness import Site
    from tests.support import Builder

pytestmark = pytest.mark.compiler

ONCE = """
#include <mutex>
#include <string>
static std::once_flag flag;
extern "C" int PyInit_x(void) { int seen = 0; std::call_once(flag, [&] { seen = 1; }); return seen; }
extern "C" int helper(const char *text) { return std::string(text).size() + std::stoi(text); }
"""
HIDE = "{ global: PyInit_*; local: *; };\n"
CURES = [(["-Wl,--exclude-libs,ALL"], None), ([], HIDE)]


def exported(library: Path) -> set[str]:
    command = ["nm", "-D", "--defined-only", "--format=just-symbols", str(library)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_static_runtime_is_exported_unless_told_otherwise(builder: Builder) -> None:
    """-fvisibility=hidden is about one's own code: it hides nothing of an archive."""
    for flags in (["-static-libstdc++"], ["-static-libstdc++", "-fvisibility=hidden"]):
        library = builder.library("libx.so", ONCE, language="c++", flags=flags)
        assert "_ZSt15__once_callable" in exported(library)


@pytest.mark.parametrize(("flags", "script"), CURES, ids=["exclude-libs", "version script"])
def test_what_hides_a_static_runtime(builder: Builder, flags: list[str], script: str | None) -> None:
    flags = ["-static-libstdc++", "-static-libgcc", *flags]
    kept = exported(builder.library("libx.so", ONCE, language="c++", flags=flags, versions=script))
    assert "PyInit_x" in kept
    assert not kept & {"_ZSt11__once_call", "_ZSt15__once_callable", "__once_proxy", "__cxa_throw", "_Unwind_Resume"}
    assert ("helper" in kept) is (script is None)  # a version script hides the package's own as well


@pytest.mark.parametrize(("flags", "script"), [([], None), *CURES], ids=["nothing", "exclude-libs", "version script"])
def test_what_hides_a_copy_ends_split_state(site: Site, tmp_path: Path, flags: list[str], script: str | None) -> None:
    """An archive with a part of the runtime is linked in, as devtoolset does with libstdc++_nonshared.a."""
    (tmp_path / "copy.c").write_text("int state;")
    archive = tmp_path / "libcopy.a"
    for command in (["gcc", "-fPIC", "-c", "copy.c"], ["ar", "rc", archive.name, "copy.o"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    site.library("libruntime.so", RUNTIME, system=True)
    site.library("beta/libb.so", USER, needs=["libruntime.so"])
    source = "extern int state; int read_state(void); int PyInit_a(void) { return state + read_state(); }"
    whole = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive"]
    site.library("alpha/liba.so", source, needs=["libruntime.so"], flags=[*whole, *flags], versions=script)
    assert len(list(split_state.check(site.case()))) == int(not flags and script is None)


def test_no_gnu_unique(site: Site) -> None:
    source = 'inline int& count() { static int value; return value; } extern "C" int next() { return ++count(); }'
    for package in ("alpha", "beta"):
        site.library(f"{package}/lib{package}.so", source, language="c++", flags=["-fno-gnu-unique"])
    assert site.live(["alpha", "beta"], ("alpha/libalpha.so", "next"), ("beta/libbeta.so", "next")).values == [1, 1]
    assert list(unique_symbol.check(site.case())) == []


@pytest.mark.parametrize(("model", "findings"), [("initial-exec", 1), ("global-dynamic", 0)])
def test_tls_model(site: Site, model: str, findings: int) -> None:
    source = "__thread char room[900]; char *mine(void) { return room; }"
    for package in ("alpha", "beta"):
        site.library(f"{package}/lib{package}.so", source, flags=[f"-ftls-model={model}"])
    assert len(list(static_tls.check(site.case()))) == findings


@pytest.mark.parametrize(("flag", "findings"), [("execstack", 1), ("noexecstack", 0)])
def test_stack_flag(site: Site, flag: str, findings: int) -> None:
    site.library("alpha/liba.so", "int nothing;", flags=["-Wl,-z," + flag])
    assert len(list(executable_stack.check(in_wheels(site)))) == findings


def test_a_hidden_runtime_is_no_duplicate(site: Site) -> None:
    flags = ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL"]
    site.library("alpha/liba.so", ONCE, language="c++", flags=flags)
    found = list(duplicate_runtime.check(in_wheels(site)))
    assert all(finding.severity is Severity.NOTE for finding in found)
    assert not any("exported" in str(finding.evidence) for finding in found)

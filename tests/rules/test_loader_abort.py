"""loader-abort: assertions of ld.so that fail, and what the process does then."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import loader_abort
from abiclash.rules.model import Confidence, Severity
from tests.linker.patching import spoil_need
from tests.rules.harness import this_host

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

SHARED = "int one(void) { return 1; }"
ASKS = "int one(void); int ask(void) { return one(); }"
VERSIONS = "V1 { global: one; };\n"
ASSERTS = pytest.mark.skipif(this_host().libc_version >= (2, 41), reason="glibc 2.41 asserts this no more")


def without_versions(site: Site, *, plain: str | None = None) -> None:
    """Build two files of one name, the first without any symbol version, not even of libc, and a user of each."""
    for package, versions in (("alpha", plain), ("beta", VERSIONS)):
        path = f"{package}/libshared.so.1"
        site.library(path, SHARED, versions=versions, soname="libshared.so.1", open_with=None, flags=["-nostdlib"])
        site.library(f"{package}/lib{package}.so", ASKS, needs=[path])


def last_words(site: Site, order: Sequence[str]) -> str:
    """Return what a process says in which the loads are done for real."""
    loads = [load.path for load in site.imports(order)]
    code = f"import ctypes\nfor path in {loads}: ctypes.CDLL(path)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr.strip()


@ASSERTS
def test_found_where_the_first_file_has_no_versions(site: Site) -> None:
    without_versions(site)
    said = last_words(site, ["alpha", "beta"])
    assert said.startswith("Inconsistency detected by ld.so: dl-lookup.c: ")
    assert last_words(site, ["beta", "alpha"]) == ""
    (finding,) = loader_abort.check(site.case())
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert finding.objects == ("beta/libbeta.so", "alpha/libshared.so.1", "beta/libshared.so.1")
    assert finding.evidence["message"] == said
    assert finding.summary.startswith("Loading beta/libbeta.so of beta after alpha ends the process")
    assert [advice.who for advice in finding.advice] == ["user", "maintainer of alpha"]


def test_found_alone_is_a_warning(site: Site) -> None:
    """A tool renamed the library in one table and not in the other."""
    without_versions(site, plain=VERSIONS)
    spoil_need(site.paths["beta/libbeta.so"])
    said = last_words(site, ["beta"])
    assert said.startswith("Inconsistency detected by ld.so: dl-version.c: ")
    (finding,) = loader_abort.check(site.case())
    assert finding.severity is Severity.WARNING
    assert ([package.name for package in finding.packages], finding.failing_order) == (["beta"], ("beta",))
    assert finding.evidence["message"] == said
    assert [advice.who for advice in finding.advice] == ["maintainer of beta"]


def test_near_miss_both_files_have_versions(site: Site) -> None:
    without_versions(site, plain=VERSIONS)
    assert last_words(site, ["alpha", "beta"]) == ""
    assert list(loader_abort.check(site.case())) == []

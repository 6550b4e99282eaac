"""executable-stack: a library that wants to run code from the stack."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import executable_stack
from abiclash.rules.model import Confidence, Severity
from tests.rules import harness
from tests.rules.refusals import modelled, refused, stack
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from pathlib import Path

    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

PT_NULL, PT_GNU_STACK = 0, 0x6474E551
BEFORE_2_41 = pytest.mark.skipif(
    harness.this_host().libc_version >= (2, 41), reason="this glibc refuses what it would show"
)


def marked_library(site: Site, mark: str = "execstack", *, later: bool = False) -> Path:
    """Build a library with `-z mark`, and another package's that is as usual."""
    site.library("alpha/liba.so", "int nothing;")
    return site.library("beta/libb.so", "int nothing;", flags=[f"-Wl,-z,{mark}"], later=later)


def without_header(library: Path) -> None:
    """Take PT_GNU_STACK out of the program headers of a 64-bit object."""
    content = bytearray(library.read_bytes())
    (start,), (size, count) = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
    for at in range(start, start + size * count, size):
        if struct.unpack_from("<I", content, at) == (PT_GNU_STACK,):
            struct.pack_into("<I", content, at, PT_NULL)
    library.write_bytes(content)


def as_of_glibc(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]) -> None:
    """Play on this host as it would be with another glibc; nothing but the model can judge that."""
    host = replace(harness.this_host(), libc_version=version)
    monkeypatch.setattr(harness, "this_host", lambda: host)


@BEFORE_2_41
def test_found_where_glibc_obeys(site: Site) -> None:
    marked_library(site)
    assert (stack(site, "alpha"), stack(site, "beta")) == ("rw-p", "rwxp")
    (finding,) = executable_stack.check(in_wheels(site))
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["beta"]
    assert finding.failing_order == ("beta",)
    assert finding.objects == ("beta/libb.so",)
    assert finding.summary == "beta asks for an executable stack for the whole process."
    assert "2.41 and later refuse" in finding.explanation
    assert finding.evidence["refused"] is False


@BEFORE_2_41
def test_found_where_the_header_is_absent(site: Site) -> None:
    """On x86 that is a request as well."""
    without_header(marked_library(site, "noexecstack"))
    assert stack(site, "beta") == "rwxp"
    (finding,) = executable_stack.check(in_wheels(site))
    assert finding.objects == ("beta/libb.so",)


def test_found_where_a_newer_glibc_refuses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    as_of_glibc(monkeypatch, (2, 41))
    marked_library(site)
    case = in_wheels(site)
    (message,) = modelled(case, "alpha", "beta")
    assert message.endswith("libb.so: cannot enable executable stack as shared object requires: Invalid argument")
    (finding,) = executable_stack.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["beta"]
    assert finding.objects == ("beta/libb.so",)
    assert "glibc 2.41 refuses to load it" in finding.explanation
    assert finding.evidence["refused"] is True


def test_found_refused_names_whose_import_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The marked library is a dependency of another package's, and ld.so names it as that one does."""
    as_of_glibc(monkeypatch, (2, 41))
    site.library("beta/libb.so", "int nothing;", flags=["-Wl,-z,execstack"], open_with=None)
    site.library("alpha/liba.so", "int nothing;", needs=["beta/libb.so"])
    case = in_wheels(site)
    assert modelled(case, "alpha")[0].startswith("libb.so: cannot enable executable stack")
    (finding,) = executable_stack.check(case)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.objects == ("beta/libb.so",)


def test_found_in_use_only(site: Site) -> None:
    marked_library(site, later=True)
    (finding,) = executable_stack.check(in_wheels(site))
    assert finding.confidence is Confidence.POSSIBLE


def test_near_miss_a_library_that_says_it_needs_none(site: Site) -> None:
    marked_library(site, "noexecstack")
    assert stack(site, "alpha", "beta") == "rw-p"
    assert list(executable_stack.check(in_wheels(site))) == []


def test_near_miss_nothing_loads_it(site: Site) -> None:
    marked_library(site)
    site.opened["beta"].clear()
    assert refused(site, "alpha", "beta") == []
    assert list(executable_stack.check(in_wheels(site))) == []

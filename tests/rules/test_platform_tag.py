"""platform-tag: needs that a wheel's tag does not tell of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import platform_tag
from abiclash.rules.model import Audience, Severity
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from abiclash.facts.model import Version
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OLD = "#include <stdlib.h>\nint ask(const char *text) { return atoi(text); }\n"
NEWER = "#include <sys/random.h>\nlong ask(void *into) { return getrandom(into, 4, 0); }\n"
CPP = "#include <string>\nstd::size_t ask(const std::string &text) { return text.find_last_of('x'); }\n"
CPP_NEWER = "#include <filesystem>\nbool ask(const char *path) { return std::filesystem::exists(path); }\n"


def tagged_wheel(site: Site, tag: str, source: str = NEWER, **more: object) -> Case:
    """Make a wheel of a library that uses a function of glibc 2.25, with a tag."""
    site.library("pack/fast.so", source, **more)  # type: ignore[arg-type]
    return in_wheels(site, tag=f"cp311-cp311-{tag}")


@pytest.mark.parametrize(
    ("tag", "promise"),
    [
        ("manylinux1_x86_64", "2_5"),
        ("manylinux_2_5_x86_64", "2_5"),
        ("manylinux2010_x86_64", "2_12"),
        ("manylinux_2_17_x86_64.manylinux2014_x86_64", "2_17"),
        ("manylinux_2_24_x86_64.manylinux_2_28_x86_64", "2_24"),
    ],
)
def test_found_a_function_that_is_newer_than_the_tag(site: Site, tag: str, promise: str) -> None:
    (finding,) = platform_tag.check(tagged_wheel(site, tag))
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.MAINTAINER)
    assert [package.name for package in finding.packages] == ["pack"]
    assert finding.objects == ("pack/fast.so",)
    assert finding.evidence["versions"] == ["GLIBC_2.25"]
    assert finding.summary == (
        f"pack's wheel promises manylinux_{promise}, but 1 object(s) need the symbol version(s) GLIBC_2.25."
    )


def test_found_a_newer_libstdcxx(site: Site) -> None:
    (finding,) = platform_tag.check(tagged_wheel(site, "manylinux_2_17_x86_64", CPP_NEWER, language="c++"))
    assert "GLIBCXX_3.4.26" in finding.evidence["versions"]  # type: ignore[operator]


def test_found_packed_relocations(site: Site) -> None:
    """They need no newer function: an older ld.so does not understand them, and a version without a number says so."""
    table = "extern int one; int one = 1; int *const all[] = {&one, &one, &one, &one};"
    case = tagged_wheel(site, "manylinux_2_28_x86_64", OLD + table, flags=["-Wl,-z,pack-relative-relocs,-Bsymbolic"])
    (finding,) = platform_tag.check(case)
    assert finding.evidence["versions"] == ["GLIBC_ABI_DT_RELR"]


def test_found_the_other_c_library(site: Site) -> None:
    (finding,) = platform_tag.check(tagged_wheel(site, "musllinux_1_2_x86_64", OLD))
    assert "need the other C library" in finding.summary


def test_near_miss_a_function_that_the_tag_has(site: Site) -> None:
    assert list(platform_tag.check(tagged_wheel(site, "manylinux_2_25_x86_64"))) == []


def test_near_miss_an_old_function(site: Site) -> None:
    """GLIBC_2.2.5 comes before 2.5."""
    assert list(platform_tag.check(tagged_wheel(site, "manylinux_2_5_x86_64", OLD))) == []


def test_near_miss_a_wheel_that_promises_nothing(site: Site) -> None:
    assert list(platform_tag.check(tagged_wheel(site, "linux_x86_64"))) == []


def test_near_miss_an_old_libstdcxx(site: Site) -> None:
    case = tagged_wheel(site, "manylinux_2_28_x86_64", CPP, language="c++")
    assert list(platform_tag.check(case)) == []


def test_near_miss_a_weak_need(site: Site) -> None:
    """ld.so accepts a library without a version that is marked weak."""
    case = tagged_wheel(site, "manylinux_2_5_x86_64")
    package = case.packages["pack"]
    (facts,) = package.wheel.objects
    weak = tuple((file, tuple(_weak(version) for version in versions)) for file, versions in facts.needs)
    wheel = replace(package.wheel, objects=(replace(facts, needs=weak),))
    assert list(platform_tag.check(replace(case, packages={"pack": replace(package, wheel=wheel)}))) == []


def _weak(version: Version) -> Version:
    return replace(version, weak=True)


def test_near_miss_a_library_that_the_wheel_brings(site: Site) -> None:
    """Its versions are its own, whatever they are called."""
    site.library("pack/libown.so.1", "int own(void) { return 1; }", versions="GLIBC_2.99 { global: own; };\n")
    site.library("pack/fast.so", "int own(void); int ask(void) { return own(); }", needs=["pack/libown.so.1"])
    assert list(platform_tag.check(in_wheels(site, tag="cp311-cp311-manylinux_2_5_x86_64"))) == []

"""bad-object: files that are no libraries for this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.facts.model import WheelFile
from abiclash.rules import bad_object, missing_library
from abiclash.rules.model import Audience, Confidence, Severity
from tests.rules.refusals import modelled, refused, within

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

VIEW = "int view(void) { return 1; }"
USER = "int view(void); int ask(void) { return view(); }"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 123456\n"


def text_as_library(site: Site, *, later: bool = False) -> str:
    """Build an extension module and put a text in the place of its library; return what ld.so says of it."""
    library = site.library("user/libview.so.1", VIEW, open_with=None)
    site.library("user/fast.so", USER, needs=["user/libview.so.1"], later=later)
    site.library("other/slow.so", "int nothing;")
    library.write_text(POINTER)
    return f"{library}: invalid ELF header"


def test_found_a_text(site: Site) -> None:
    message = text_as_library(site)
    case = site.case()
    assert refused(site, "other", "user") == modelled(case, "other", "user") == [message]
    (finding,) = bad_object.check(case)
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["user"]
    assert (finding.failing_order, finding.safe_order) == (("user",), None)
    assert finding.objects == ("user/libview.so.1", "user/fast.so")
    assert finding.summary == "user loads user/libview.so.1, which the dynamic linker refuses: invalid ELF header."
    assert finding.evidence["message"] == within(site, message)


def test_found_in_use_only_is_a_note(site: Site) -> None:
    text_as_library(site, later=True)
    (finding,) = bad_object.check(site.case())
    assert (finding.severity, finding.confidence) == (Severity.NOTE, Confidence.POSSIBLE)
    assert finding.audience is Audience.MAINTAINER


def test_found_an_extension_module_that_is_a_text(site: Site) -> None:
    path = site.library("user/fast.so", "int nothing;")
    path.write_text(POINTER)
    assert refused(site, "user") == modelled(site.case(), "user") == [f"{path}: invalid ELF header"]
    (finding,) = bad_object.check(site.case())
    assert finding.objects == ("user/fast.so",)


def test_found_a_file_of_a_wheel_that_is_no_library(site: Site) -> None:
    """A scan knows of it that the wheel has it, and nothing more."""
    path = site.library("user/fast.so", "int nothing;")
    path.unlink()
    case = site.case()
    assert list(bad_object.check(case)) == []
    user = case.packages["user"]
    wheel = replace(user.wheel, files=(WheelFile("user/fast.so", None, ""),))
    case = replace(case, packages={"user": replace(user, wheel=wheel)})
    (finding,) = bad_object.check(case)
    assert finding.summary == "user loads user/fast.so, which the dynamic linker refuses: invalid ELF header."
    assert list(missing_library.check(case)) == []


def test_near_miss_a_library(site: Site) -> None:
    site.library("user/libview.so.1", VIEW, open_with=None)
    site.library("user/fast.so", USER, needs=["user/libview.so.1"])
    assert list(bad_object.check(site.case())) == []

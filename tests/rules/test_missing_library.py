"""missing-library: what a library needs is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.imports.plan import Cause, Load
from abiclash.linker.link_map import Mode
from abiclash.rules import missing_library
from abiclash.rules.model import Audience, Confidence, Severity
from tests.rules.harness import this_host
from tests.rules.refusals import modelled, refused, within

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

VIEW = "int view(void) { return 1; }"
USER = "int view(void); int ask(void) { return view(); }"


def left_out(site: Site, *, later: bool = False, keep: bool = False) -> None:
    """Build an extension that needs a library of the system, and leave that out unless told to keep it."""
    library = site.library("libview.so.1", VIEW, system=True)
    site.library("user/fast.so", USER, needs=["libview.so.1"], later=later)
    site.library("other/slow.so", "int nothing;")
    if not keep:
        library.unlink()


def test_found_where_it_is_left_out(site: Site) -> None:
    left_out(site)
    case = site.case()
    message = "libview.so.1: cannot open shared object file: No such file or directory"
    assert refused(site, "other", "user") == modelled(case, "other", "user") == [message]

    (finding,) = missing_library.check(case)
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert finding.audience is Audience.USER
    assert [package.name for package in finding.packages] == ["user"]
    assert (finding.failing_order, finding.safe_order) == (("user",), None)
    assert finding.objects == ("user/fast.so",)
    assert finding.summary == "user needs libview.so.1, which is neither in the wheels nor on this machine."
    assert finding.evidence["message"] == within(site, message)


def test_found_in_use_only_is_a_note(site: Site) -> None:
    left_out(site, later=True)
    (finding,) = missing_library.check(site.case())
    assert (finding.severity, finding.confidence) == (Severity.NOTE, Confidence.POSSIBLE)
    assert finding.failing_order is None
    assert finding.audience is Audience.MAINTAINER


def test_found_on_a_shipped_profile_names_it(site: Site) -> None:
    left_out(site)
    case = site.case()
    (finding,) = missing_library.check(replace(case, host=replace(this_host(), name="debian-12")))
    assert "nor on the host profile debian-12" in finding.summary


def test_found_only_in_company_where_another_file_has_the_name(site: Site) -> None:
    """One's own middle library brings the one that is needed; in company another takes its place and brings none."""
    site.library("user/libview.so.1", VIEW, open_with=None)
    site.library("user/libmiddle.so.1", "int middle;", needs=["user/libview.so.1"], open_with=None)
    site.library("user/first.so", "int first;", needs=["user/libmiddle.so.1"])
    site.library("user/fast.so", USER, needs=["user/libview.so.1"])
    fast = site.builder.library("fast.so", USER, libs=[site.paths["user/libview.so.1"]])
    site.paths["user/fast.so"].write_bytes(fast.read_bytes())  # without the run path
    site.library("alpha/libmiddle.so.1", "int middle;", open_with=None)
    site.library("alpha/liba.so", "int a;", needs=["alpha/libmiddle.so.1"])

    case = site.case()
    assert refused(site, "user") == refused(site, "user", "alpha") == []
    message = "libview.so.1: cannot open shared object file: No such file or directory"
    assert refused(site, "alpha", "user") == modelled(case, "alpha", "user") == [message]
    (finding,) = missing_library.check(case)
    assert finding.severity is Severity.ERROR
    assert (finding.failing_order, finding.safe_order) == (("alpha", "user"), ("user", "alpha"))
    assert any(advice.checked and "user, alpha" in advice.text for advice in finding.advice)


def test_near_miss_the_system_has_it(site: Site) -> None:
    left_out(site, keep=True)
    assert refused(site, "other", "user") == []
    assert list(missing_library.check(site.case())) == []


def test_near_miss_another_package_brings_it_first(site: Site) -> None:
    """Alone it fails, and that is stated; behind a package with a library of that name it works."""
    left_out(site)
    site.library("bringer/libview.so.1", VIEW)
    case = site.case("bringer", "user")
    assert refused(site, "bringer", "user") == modelled(case, "bringer", "user") == []
    (finding,) = missing_library.check(case)
    assert finding.severity is Severity.WARNING
    assert finding.evidence["failing_orders"] == [["user", "bringer"]]
    assert finding.safe_order == ("bringer", "user")


def test_no_order_is_advised_for_what_only_use_would_load(site: Site) -> None:
    """Another package's library in its place would be a hazard of its own."""
    left_out(site, later=True)
    site.library("bringer/libview.so.1", VIEW)
    (finding,) = missing_library.check(site.case("bringer", "user"))
    assert (finding.severity, finding.safe_order) == (Severity.NOTE, None)


def test_near_miss_a_name_that_is_only_tried(site: Site) -> None:
    """`ctypes.CDLL("libcuda.so.1")` in a try statement is no need."""
    site.library("user/fast.so", "int nothing;")
    tried = Load("libcuda-of-nobody.so.1", int(Mode.NOW), Cause("observed", "", 0, "a test"), "certain", None, "user")
    site.opened["user"].append(tried)
    assert len(refused(site, "user")) == 1
    assert list(missing_library.check(site.case())) == []

"""missing-version: an older file of the same name is in the process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from abiclash.rules import missing_version, soname_collision
from abiclash.rules.model import Confidence, Severity
from tests.rules.refusals import modelled, refused, within

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OLD = "V1 { global: one; };\n"
NEW = OLD + "V2 { global: two; } V1;\n"
ONE = "int one(void) { return 1; }"
BOTH = ONE + " int two(void) { return 2; }"
NEWEST = NEW + "V3 { global: three; } V2;\nV4 { global: four; } V3;\n"
FOUR = BOTH + " int three(void) { return 3; } int four(void) { return 4; }"


def library(site: Site, path: str, versions: str | None, source: str = BOTH, *, system: bool = False) -> None:
    site.library(path, source, versions=versions, soname="libshared.so.1", open_with=None, system=system)


def user(site: Site, path: str, library: str, source: str, *, later: bool = False) -> None:
    site.library(path, source, needs=[library], later=later)


def asks(*names: str) -> str:
    """Source that calls functions."""
    return "".join(f"int {name}(void); int ask_{name}(void) {{ return {name}(); }} " for name in names)


def linked_with_newer(site: Site, libraries: dict[str, str], *, later: bool = False) -> None:
    """Build libraries that call a function each, linked with a newer file of the system's than there is now."""
    library(site, "libnew.so", NEWEST, FOUR, system=True)
    for path, name in libraries.items():
        user(site, path, "libnew.so", asks(name), later=later)
    library(site, "libnew.so", OLD, ONE, system=True)
    site.paths["libnew.so"].rename(site.paths["libnew.so"].with_name("libshared.so.1"))


def older_and_newer(
    site: Site, *, old: str | None = OLD, use: str = "int two(void); int ask(void) { return two(); }"
) -> None:
    """Build an older and a newer file of one name, and a library of the second package that needs what is newer."""
    library(site, "alpha/libshared.so.1", old, BOTH if old != OLD else ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", "int one(void); int ask(void) { return one(); }")
    library(site, "beta/libshared.so.1", NEW)
    user(site, "beta/libb.so", "beta/libshared.so.1", use)


def test_found_where_the_older_file_comes_first(site: Site) -> None:
    older_and_newer(site)
    case = site.case()
    (message,) = refused(site, "alpha", "beta")
    assert "version `V2' not found (required by " in message
    assert modelled(case, "alpha", "beta") == [message]
    assert refused(site, "beta", "alpha") == modelled(case, "beta", "alpha") == []
    assert refused(site, "beta") == []

    (finding,) = missing_version.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert finding.objects == ("beta/libb.so", "alpha/libshared.so.1")
    assert finding.summary == (
        "beta needs V2 of libshared.so.1, which the copy that alpha brings into the process lacks:"
        " after it, the load fails."
    )
    assert finding.explanation.startswith("beta/libb.so was built against a newer libshared.so.1 and needs its symbol")
    assert "which alpha brought into the process" in finding.explanation
    assert finding.evidence["message"] == within(site, message)
    assert any(advice.checked and "beta, alpha" in advice.text for advice in finding.advice)
    assert any(advice.text.startswith("Bundle libshared.so.1 under a name of its own") for advice in finding.advice)


def test_found_alone_is_a_warning_without_an_order_that_helps(site: Site) -> None:
    """It was linked with a newer file than the one that its run path leads to."""
    linked_with_newer(site, {"beta/libb.so": "two"})
    site.library("alpha/liba.so", "int nothing;")

    case = site.case()
    (message,) = refused(site, "beta")
    assert modelled(case, "beta") == [message]
    (finding,) = missing_version.check(case)
    assert finding.severity is Severity.WARNING
    assert [package.name for package in finding.packages] == ["beta"]
    assert (finding.failing_order, finding.safe_order) == (("beta",), None)
    assert finding.summary == "beta needs V2 of libshared.so.1; the copy that gets loaded does not have it."
    assert "which does not have it, so the dynamic linker refuses" in finding.explanation
    assert any(advice.text.startswith("Need only versions that") for advice in finding.advice)
    assert not any(advice.checked for advice in finding.advice)


def test_found_once_for_all_versions_that_are_missing(site: Site) -> None:
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", "int one(void); int ask(void) { return one(); }")
    library(site, "beta/libshared.so.1", NEWEST, FOUR)
    for name in ("two", "three", "four"):
        user(
            site, f"beta/lib{name}.so", "beta/libshared.so.1", f"int {name}(void); int ask(void) {{ return {name}(); }}"
        )
    (finding,) = missing_version.check(site.case())
    assert finding.evidence["versions"] == ["V2", "V3", "V4"]
    assert finding.summary.startswith(
        "beta needs V2, V3 and 1 more of libshared.so.1, which the copy that alpha brings"
    )
    assert any("defines V2, V3 and 1 more." in advice.text for advice in finding.advice)


def test_found_alone_by_two_packages(site: Site) -> None:
    linked_with_newer(site, {f"{name}/lib{ask}.so": ask for name in ("beta", "gamma") for ask in ("two", "three")})
    case = site.case()
    assert refused(site, "beta") == modelled(case, "beta") != []
    (finding,) = missing_version.check(case)
    assert [package.name for package in finding.packages] == ["beta", "gamma"]
    assert finding.failing_order == ("beta",)
    assert finding.summary == (
        "beta and gamma need V2 and V3 of libshared.so.1; the copy that gets loaded does not have them."
    )


@pytest.mark.parametrize("later", [False, True])
def test_found_alone_though_another_package_brings_what_it_needs(site: Site, later: bool) -> None:
    """What fails alone, and in use only, is no reason to choose an order."""
    library(site, "alpha/libshared.so.1", NEWEST, FOUR)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", asks("one"))
    linked_with_newer(site, {"beta/libb.so": "two"}, later=later)
    case = site.case()
    if not later:
        assert refused(site, "beta", "alpha") == modelled(case, "beta", "alpha") != []
        assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") == []
    (finding,) = missing_version.check(case)
    assert finding.severity is (Severity.NOTE if later else Severity.WARNING)
    assert finding.safe_order == (None if later else ("alpha", "beta"))


@pytest.mark.parametrize("certainty", ["certain", "possible"])
def test_found_at_import_rather_than_in_later_use(site: Site, certainty: Literal["certain", "possible"]) -> None:
    """One finding for both, and the import is what it shows."""
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", asks("one"))
    library(site, "beta/libshared.so.1", NEWEST, FOUR)
    user(site, "beta/libb.so", "beta/libshared.so.1", asks("three"))
    user(site, "beta/liblater.so", "beta/libshared.so.1", asks("two"), later=True)
    site.opened["beta"] = [replace(load, certainty=certainty) for load in site.opened["beta"]]
    case = site.case()
    (message,) = refused(site, "alpha", "beta")
    assert modelled(case, "alpha", "beta") == [message]
    (finding,) = missing_version.check(case)
    assert finding.severity is Severity.ERROR
    assert finding.evidence["message"] == within(site, message)
    assert (finding.evidence["stage"], finding.evidence["versions"]) == ("import", ["V3", "V2"])


def test_found_in_later_use_with_an_order_that_helps(site: Site) -> None:
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", asks("one"))
    library(site, "beta/libshared.so.1", NEW)
    user(site, "beta/libb.so", "beta/libshared.so.1", asks("one"))
    user(site, "beta/liblater.so", "beta/libshared.so.1", asks("two"), later=True)
    (finding,) = missing_version.check(site.case())
    assert finding.severity is Severity.WARNING
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))


def test_found_for_all_who_take_part(site: Site) -> None:
    """Whose file it is, who brought it, and who fails may be three packages."""
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "gamma/libg.so", "alpha/libshared.so.1", asks("one"))
    library(site, "beta/libshared.so.1", NEW)
    user(site, "beta/libb.so", "beta/libshared.so.1", asks("two"))
    case = site.case()
    assert refused(site, "gamma", "beta") != []
    (finding,) = missing_version.check(case)
    assert [package.name for package in finding.packages] == ["alpha", "beta", "gamma"]
    assert "which the copy that gamma brings into the process lacks" in finding.summary
    assert "alpha/libshared.so.1, which gamma brought into the process" in finding.explanation


def test_found_where_the_victim_brings_the_older_file(site: Site) -> None:
    """Alone its first library brings the newer file, through one that another package has too."""
    site.library("alpha/libdeep.so", "int deep(void) { return 1; }", soname="libdeep.so")
    library(site, "beta/old/libshared.so.1", OLD, ONE)
    library(site, "beta/new/libshared.so.1", NEW)
    site.library("beta/libdeep.so", asks("two"), needs=["beta/new/libshared.so.1"], open_with=None)
    site.library("beta/libfirst.so", "int first;", needs=["beta/libdeep.so"], flags=["-Wl,--no-as-needed"])
    user(site, "beta/libsecond.so", "beta/old/libshared.so.1", asks("one"))
    user(site, "beta/libthird.so", "beta/new/libshared.so.1", asks("two"))
    case = site.case()
    assert refused(site, "beta") == []
    (message,) = refused(site, "alpha", "beta")
    assert modelled(case, "alpha", "beta") == [message]
    (finding,) = missing_version.check(case)
    assert finding.summary == "beta needs V2 of libshared.so.1; the copy that gets loaded does not have it."
    assert "the process already uses beta/old/libshared.so.1, because" in finding.explanation


def test_near_miss_a_collision_that_tells_it_all(site: Site) -> None:
    """The older file lacks a symbol too: soname-collision has the finding."""
    more = "V1 { global: one; three; };\nV2 { global: two; } V1;\n"
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", asks("one"))
    library(site, "beta/libshared.so.1", more, BOTH + " int three(void) { return 3; }")
    user(site, "beta/libb.so", "beta/libshared.so.1", asks("two"))
    user(site, "beta/libc.so", "beta/libshared.so.1", asks("three"))
    case = site.case()
    assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") != []
    assert list(missing_version.check(case)) == []
    assert [finding.rule for finding in soname_collision.check(case)] == ["soname-collision"]


def test_near_miss_the_first_file_has_the_version_too(site: Site) -> None:
    older_and_newer(site, old=NEW)
    case = site.case()
    assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") == []
    assert list(missing_version.check(case)) == []


def test_near_miss_the_newer_version_is_not_needed(site: Site) -> None:
    older_and_newer(site, use="int one(void); int ask(void) { return one(); }")
    assert refused(site, "alpha", "beta") == []
    assert list(missing_version.check(site.case())) == []


def test_near_miss_a_file_without_any_versions(site: Site) -> None:
    """ld.so warns and takes what has the name."""
    older_and_newer(site, old=None)
    assert refused(site, "alpha", "beta") == []
    assert list(missing_version.check(site.case())) == []


def test_near_miss_a_name_of_its_own(site: Site) -> None:
    library(site, "alpha/libshared.so.1", OLD, ONE)
    user(site, "alpha/liba.so", "alpha/libshared.so.1", "int one(void); int ask(void) { return one(); }")
    site.library("beta/libshared-0a1b2c3d.so.1", BOTH, versions=NEW, open_with=None)
    user(site, "beta/libb.so", "beta/libshared-0a1b2c3d.so.1", "int two(void); int ask(void) { return two(); }")
    assert refused(site, "alpha", "beta") == []
    assert list(missing_version.check(site.case())) == []

"""search-path: run paths that lead out of a package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import search_path
from abiclash.rules.model import Audience, Severity
from tests.rules.refusals import modelled, refused
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler


def library_with_run_path(site: Site, entries: str, *, tags: str = "enable", path: str = "pack/deep/libp.so") -> Case:
    """Build a library with a run path, in a wheel that has a folder for libraries too."""
    flags = [f"-Wl,--{tags}-new-dtags,-rpath,{entries}"]
    site.library(path, "int nothing;", flags=flags)
    site.library("other/libo.so", "int nothing;", flags=["-Wl,-rpath,$ORIGIN"])
    return in_wheels(site, {"pack:pack.libs/readme": "here"})


@pytest.mark.parametrize(
    ("entry", "kind", "severity"),
    [
        ("/srv/build/lib", "a fixed folder of the build machine", Severity.NOTE),
        ("/tmpfs/lib", "a fixed folder of the build machine", Severity.NOTE),
        ("/tmp/build", "a folder that any user can write", Severity.WARNING),
        ("/tmp", "a folder that any user can write", Severity.WARNING),
        (".", "the working directory", Severity.WARNING),
        ("lib", "the working directory", Severity.WARNING),
        ("$ORIGIN::$ORIGIN/..", "the working directory", Severity.WARNING),
        ("$ORIGIN/../../..", "a folder outside of site-packages", Severity.NOTE),
        ("${ORIGIN}/../../../../lib", "a folder outside of site-packages", Severity.NOTE),
        ("$ORIGIN/../../other", "a folder that other packages install", Severity.NOTE),
    ],
)
@pytest.mark.parametrize("tags", ["enable", "disable"])
def test_found_outside_of_the_package(site: Site, entry: str, kind: str, severity: Severity, tags: str) -> None:
    (finding,) = search_path.check(library_with_run_path(site, entry, tags=tags))
    assert (finding.severity, finding.audience) == (severity, Audience.MAINTAINER)
    assert [package.name for package in finding.packages] == ["pack"]
    assert finding.objects == ("pack/deep/libp.so",)
    assert (finding.failing_order, finding.safe_order) == (None, None)
    assert f"1 object searches for libraries in {kind}" in finding.summary
    assert finding.evidence["entries"] == [entry if "::" not in entry else "(empty)"]


def test_found_one_for_each_kind(site: Site) -> None:
    findings = list(search_path.check(library_with_run_path(site, "/srv/one:/srv/two:/tmp/x:$ORIGIN")))
    assert [finding.evidence["entries"] for finding in findings] == [["/srv/one", "/srv/two"], ["/tmp/x"]]
    assert len({finding.id for finding in findings}) == 2


def test_found_what_ld_so_takes_from_the_folder_of_a_build(site: Site) -> None:
    """A library that lies there by accident is loaded before the system's."""
    build = site.folder / "build"
    site.builder.library("libz.so.1", "int not_the_compressor;", into=build)
    compressor = site.library("libz.so.1", "int deflate(void) { return 0; }", system=True)
    asks = "int deflate(void); int ask(void) { return deflate(); }"
    site.library("pack/libp.so", asks, needs=["libz.so.1"], flags=[f"-Wl,-rpath,{build}"])
    compressor.unlink()
    (message,) = refused(site, "pack")
    assert message.endswith("undefined symbol: deflate")
    assert modelled(site.case(), "pack") == [message]
    (finding,) = search_path.check(in_wheels(site))
    assert finding.evidence["entries"] == [str(build), str(compressor.parent)]


@pytest.mark.parametrize(
    "entries",
    ["$ORIGIN", "${ORIGIN}", "$ORIGIN/../../pack.libs", "$ORIGIN/..:$ORIGIN/../lib", "$ORIGIN/../..", "", "$LIB"],
)
def test_near_miss_within_the_package(site: Site, entries: str) -> None:
    assert list(search_path.check(library_with_run_path(site, entries))) == []


def test_near_miss_a_folder_of_a_package_that_is_required(site: Site) -> None:
    case = library_with_run_path(site, "$ORIGIN/../../other")
    pack = case.packages["pack"]
    needing = replace(pack, wheel=replace(pack.wheel, requires=("other>=1",)))
    assert list(search_path.check(replace(case, packages={**case.packages, "pack": needing}))) == []


def test_near_miss_an_rpath_that_a_runpath_hides(site: Site) -> None:
    case = library_with_run_path(site, "/srv/build/lib", tags="disable")
    package = case.packages["pack"]
    (facts,) = package.wheel.objects
    assert (facts.rpath, facts.runpath) == ("/srv/build/lib", None)
    wheel = replace(package.wheel, objects=(replace(facts, runpath="$ORIGIN"),))
    assert list(search_path.check(replace(case, packages={"pack": replace(package, wheel=wheel)}))) == []

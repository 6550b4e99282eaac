"""Notes for maintainers and researchers: names, exports, initialisers, effects of loading."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import bundled_library, exported_symbols, load_side_effect, static_initializer
from abiclash.rules.model import Audience, Confidence, Severity

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

ZLIB = "int inflateInit2_(void) { return 0; }"


def in_wheel(case: Case, site: Site) -> Case:
    """Return the case with objects named as in a wheel: relative to site-packages."""
    root = str(site.folder / "site-packages") + "/"
    packages = {
        name: replace(
            package,
            wheel=replace(
                package.wheel,
                objects=tuple(replace(o, path=o.path.removeprefix(root)) for o in package.wheel.objects),
            ),
        )
        for name, package in case.packages.items()
    }
    return replace(case, packages=packages)


def test_a_bundled_library_with_its_plain_name(site: Site) -> None:
    site.library("alpha/alpha.libs/libz.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert finding.evidence["cause"] == "plain"


def test_a_library_that_was_renamed_twice(site: Site) -> None:
    site.library("alpha/alpha.libs/libz-040039e1-0352e75f.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert finding.evidence["cause"] == "rehashed"


def test_a_library_that_is_there_twice(site: Site) -> None:
    site.library("alpha/one/libz-11111111.so.1", ZLIB)
    site.library("alpha/two/libz-22222222.so.1", ZLIB)
    (finding,) = bundled_library.check(in_wheel(site.case(), site))
    assert finding.evidence["cause"] == "twice"
    assert len(finding.objects) == 2


@pytest.mark.parametrize("path", ["alpha/alpha.libs/libz-11111111.so.1", "zlib/libzlib.so", "alpha/libalpha.so"])
def test_near_miss_a_unique_name_or_the_projects_own(site: Site, path: str) -> None:
    site.library(path, ZLIB if "z" in path else "int a;")
    assert list(bundled_library.check(in_wheel(site.case(), site))) == []


def exports(count: int) -> str:
    return "".join(f"void helper_{at}(void) {{}}\n" for at in range(count)) + "void *PyInit_core(void) { return 0; }\n"


def test_an_extension_module_that_exports_a_hundred_functions(site: Site) -> None:
    site.library("alpha/core.so", exports(100))
    site.library("beta/core.so", exports(3), soname="beta.so")
    (finding,) = exported_symbols.check(site.case())
    assert [package.name for package in finding.packages] == ["alpha"]
    assert finding.audience is Audience.MAINTAINER
    assert finding.evidence["exported"] == 100
    assert finding.evidence["also_in"] == {"beta": 3}


def test_near_miss_a_version_script(site: Site) -> None:
    site.library("alpha/core.so", exports(100), versions="{ global: PyInit_*; local: *; };")
    assert list(exported_symbols.check(site.case())) == []


RUNTIME = "int enter(void) { return 1; }"
STARTS = "int enter(void); __attribute__((constructor)) static void start(void) { enter(); }"


def test_an_initialiser_that_calls_another_library(site: Site) -> None:
    site.library("libruntime.so", RUNTIME, system=True)
    site.library("alpha/libwork.so", STARTS, needs=["libruntime.so"])
    (finding,) = static_initializer.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)
    assert dict(finding.evidence)["references"] == {"libruntime.so": 1}


def test_near_miss_an_initialiser_that_calls_nobody(site: Site) -> None:
    site.library("alpha/libwork.so", "static int a; __attribute__((constructor)) static void start(void) { a = 1; }")
    references = [dict(finding.evidence)["references"] for finding in static_initializer.check(site.case())]
    assert all("libruntime.so" not in calls for calls in references)  # type: ignore[operator]


HANDLER = "#include <signal.h>\nstatic void on(int number) {}\n"


def test_a_signal_handler_that_loading_installs(site: Site) -> None:
    text = HANDLER + "__attribute__((constructor)) static void start(void) { signal(SIGUSR1, on); }"
    site.library("alpha/libwork.so", text)
    (finding,) = load_side_effect.check(site.case())
    assert (finding.audience, finding.confidence) == (Audience.RESEARCHER, Confidence.CERTAIN)
    assert list(dict(finding.evidence)["at_load"]) == ["sets signal handlers"]  # type: ignore[call-overload]


def test_a_signal_handler_that_a_call_installs(site: Site) -> None:
    site.library("alpha/libwork.so", HANDLER + "void start(void) { signal(SIGUSR1, on); }")
    (finding,) = load_side_effect.check(site.case())
    assert finding.confidence is Confidence.POSSIBLE


def test_a_library_that_stays(site: Site) -> None:
    site.library("alpha/libwork.so", "int a;", flags=["-Wl,-z,nodelete"])
    (finding,) = load_side_effect.check(site.case())
    assert list(dict(finding.evidence)["at_load"]) == ["never unloaded (NODELETE)"]  # type: ignore[call-overload]


def test_near_miss_nothing_of_the_kind(site: Site) -> None:
    site.library("alpha/libwork.so", "int a;")
    assert list(load_side_effect.check(site.case())) == []

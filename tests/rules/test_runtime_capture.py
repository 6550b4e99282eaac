"""runtime-capture: a runtime's class of which another library has a part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import runtime_capture
from abiclash.rules.model import Audience, Confidence, Severity

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

CLASS = """
struct Device {
    void open();
    void open_named(const char *);
    int read();
    long kind;
    int value;
};
"""
NEW_OPEN = """
static volatile int log;
void Device::open() { %s kind = 1; value = 7; }
""" % " ".join(f"log = {n};" for n in range(1, 41))  # noqa: UP031 - braces
RUNTIME = (
    CLASS
    + NEW_OPEN
    + """
void Device::open_named(const char *) { open(); }
int Device::read() { return kind == 1 ? value : -1; }
"""
)
OLD_OPEN = CLASS + "void Device::open() { kind = 9; value = 7; }"
USER = CLASS + 'extern "C" int ask() { Device d; d.open_named("x"); return d.read(); }'


def mixed_class(site: Site, *, copy: str = OLD_OPEN, user: str = USER) -> Site:
    """Build a runtime with a class, a library that has `copy` of a part of it, and a user of the rest."""
    site.library("libruntime.so", RUNTIME, language="c++", system=True)
    site.library("alpha/liba.so", copy, language="c++", needs=["libruntime.so"])
    site.library("beta/libb.so", user, language="c++", needs=["libruntime.so"])
    return site


def test_found_where_a_class_is_handled_by_two_implementations(site: Site) -> None:
    mixed_class(site)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [-1]
    assert site.live(["beta", "alpha"], ("beta/libb.so", "ask")).values == [7]

    case = site.case()
    assert site.agrees(case, ["alpha", "beta"])
    (finding,) = runtime_capture.check(case)
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.USER)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert set(finding.symbols) == {"_ZN6Device4openEv", "_ZN6Device10open_namedEPKc", "_ZN6Device4readEv"}
    assert finding.objects == (
        "alpha/liba.so",
        str(site.paths["libruntime.so"]),
        "beta/libb.so",
    )
    assert "Device" in finding.summary


def test_found_is_an_error_where_the_scope_is_a_class(site: Site) -> None:
    """A constant member function tells that the scope is a class and no namespace."""

    def constant(text: str) -> str:
        return text.replace("int read()", "int read() const").replace("int Device::read()", "int Device::read() const")

    site.library("libruntime.so", constant(RUNTIME), language="c++", system=True)
    site.library("alpha/liba.so", constant(OLD_OPEN), language="c++", needs=["libruntime.so"])
    site.library("beta/libb.so", constant(USER), language="c++", needs=["libruntime.so"])
    (finding,) = runtime_capture.check(site.case())
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)


def test_near_miss_a_copy_of_the_same_release(site: Site) -> None:
    mixed_class(site, copy=CLASS + NEW_OPEN)
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    (finding,) = runtime_capture.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert finding.failing_order is None


def test_near_miss_a_user_that_calls_the_replaced_function_itself(site: Site) -> None:
    """Then it gets the library's own, as everything else of that class."""
    mixed_class(site, user=CLASS + 'extern "C" int ask() { Device d; d.open(); return d.read(); }')
    assert site.live(["alpha", "beta"], ("beta/libb.so", "ask")).values == [7]
    assert [finding.severity for finding in runtime_capture.check(site.case())] == [Severity.NOTE]


def test_near_miss_a_package_that_has_the_whole_class(site: Site) -> None:
    """Nothing is left of the runtime's class for anyone to mix with, but only its own user sees that."""
    whole = OLD_OPEN + "void Device::open_named(const char *) { open(); } int Device::read() { return value; }"
    mixed_class(site, copy=whole, user="int unrelated;")
    assert [finding.severity for finding in runtime_capture.check(site.case())] == [Severity.NOTE]


def test_near_miss_templates(site: Site) -> None:
    """Weak definitions are made to be replaced: a note for researchers."""
    template = "template <class T> struct Box { int get(); }; template <class T> int Box<T>::get() { return 7; }"
    site.library(
        "libruntime.so",
        template + 'extern "C" int through() { Box<int> box; return box.get(); }',
        language="c++",
        system=True,
        flags=["-O0"],
    )
    instance = template + "template struct Box<int>;"
    site.library("alpha/liba.so", instance, language="c++", needs=["libruntime.so"])
    user = 'extern "C" int through(); extern "C" int ask() { return through(); }'
    site.library("beta/libb.so", user, language="c++", needs=["libruntime.so"])
    (finding,) = runtime_capture.check(site.case())
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)


def test_a_package_alone_is_told_what_it_captures(site: Site) -> None:
    mixed_class(site)
    (finding,) = runtime_capture.check(site.case("alpha"))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert [package.name for package in finding.packages] == ["alpha"]


def test_a_third_package_heals(site: Site) -> None:
    """What loads the runtime before the package with the copies leaves it whole; only the orders say so."""
    mixed_class(site)
    site.library("gamma/libc.so", "", needs=["libruntime.so"])
    (finding,) = runtime_capture.check(site.case())
    failing = {tuple(order) for order in finding.evidence["failing_orders"]}  # type: ignore[attr-defined]
    assert failing == {("alpha", "beta", "gamma"), ("alpha", "gamma", "beta")}
    assert finding.safe_order == ("beta", "alpha", "gamma")

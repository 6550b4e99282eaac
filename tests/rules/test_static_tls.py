"""static-tls: the block that libraries loaded later share is spent."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import static_tls
from abiclash.rules.model import Confidence, Severity
from tests.rules.refusals import modelled, refused

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

NAMES = ("alpha", "beta", "gamma")
REFUSAL = "cannot allocate memory in static TLS block"
TUNABLE = "glibc.rtld.optional_static_tls=4096"


def variable(size: int, model: str = "initial-exec", align: int = 1, name: str = "room") -> str:
    """Source of a thread-local variable of `size` bytes."""
    kind = f'__attribute__((tls_model("{model}"), aligned({align})))'
    return f"__thread char {name}[{size}] {kind}; char *ask_{name}(void) {{ return {name}; }}"


def three_takers(site: Site, *, size: int = 700, model: str = "initial-exec", names: tuple[str, ...] = NAMES) -> None:
    """Build a library for each package, with a variable of the same size: 1664 bytes are there for all of them."""
    for name in names:
        site.library(f"{name}/lib{name}.so", variable(size, model))


def test_found_where_all_three_come_together(site: Site) -> None:
    three_takers(site)
    case = site.case()
    for order in permutations(NAMES):
        (message,) = refused(site, *order)
        assert message.endswith(f"lib{order[-1]}.so: {REFUSAL}")
        assert modelled(case, *order) == [message]

    (finding,) = static_tls.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == list(NAMES)
    assert finding.safe_order is None
    assert sorted(finding.evidence["failing_orders"]) == sorted(map(list, permutations(NAMES)))  # type: ignore[call-overload]
    assert finding.failing_order is not None
    last = finding.failing_order[-1]
    assert finding.objects[0] == f"{last}/lib{last}.so"
    assert (finding.evidence["surplus"], finding.evidence["needed"]) == (1664, 700)
    assert 1664 - 1400 <= finding.evidence["left"] < 700  # type: ignore[operator]
    assert "static thread-local storage is spent, and whoever comes last fails" in finding.summary


def test_found_advice_helps(site: Site) -> None:
    three_takers(site)
    (finding,) = static_tls.check(site.case())
    assert any(f"GLIBC_TUNABLES={TUNABLE}" in advice.text for advice in finding.advice)
    assert refused(site, *NAMES, GLIBC_TUNABLES=TUNABLE) == []


def test_found_with_an_order_that_works(site: Site) -> None:
    """A library that can do without the block takes of it when it is there first, and is content when it is not."""
    descriptor = ["-mtls-dialect=gnu2"]
    site.library("alpha/libalpha.so", variable(500, "global-dynamic"), flags=descriptor)
    site.library("beta/libbeta.so", variable(1500))
    case = site.case()
    (message,) = refused(site, "alpha", "beta")
    assert modelled(case, "alpha", "beta") == [message]
    assert refused(site, "beta", "alpha") == modelled(case, "beta", "alpha") == []
    (finding,) = static_tls.check(case)
    assert (finding.failing_order, finding.safe_order) == (("alpha", "beta"), ("beta", "alpha"))
    assert any(advice.checked and "beta, alpha" in advice.text for advice in finding.advice)


def test_found_tells_what_was_left_then(site: Site) -> None:
    """After the load that fails a smaller one still fits; it is no cause."""
    site.library("alpha/libalpha.so", variable(1000))
    site.library("beta/libbeta.so", variable(900))
    site.library("gamma/libgamma.so", variable(300))
    case = site.case()
    assert refused(site, *NAMES) == modelled(case, *NAMES)
    (finding,) = static_tls.check(case)
    assert finding.failing_order == ("beta", "alpha", "gamma")
    assert finding.evidence["taken"] == [{"object": "beta/libbeta.so", "bytes": 900}]
    assert finding.evidence["left"] >= 1664 - 900  # type: ignore[operator]
    assert finding.objects == ("alpha/libalpha.so", "beta/libbeta.so")


def test_found_alone_is_a_warning_with_the_parts_of_the_load(site: Site) -> None:
    """Two libraries of one package, each of which would fit."""
    site.library("beta/libdeep.so", variable(900, name="deep"), open_with=None)
    site.library("beta/libtop.so", variable(900, name="top"), needs=["beta/libdeep.so"])
    three_takers(site, names=("alpha",), size=8)
    case = site.case()
    (message,) = refused(site, "beta")
    assert modelled(case, "beta") == [message]
    (finding,) = static_tls.check(case)
    assert finding.severity is Severity.WARNING
    assert [package.name for package in finding.packages] == ["beta"]
    assert (finding.failing_order, finding.safe_order) == (("beta",), None)
    assert finding.evidence["taken"] == [{"object": "beta/libdeep.so", "bytes": 900}]
    assert finding.evidence["left"] < 900  # type: ignore[operator]
    assert "even alone" in finding.summary


def test_found_alone_for_its_alignment(site: Site) -> None:
    site.library("beta/libbeta.so", variable(4096, align=4096).replace("[4096]", "[1]"))
    (message,) = refused(site, "beta")
    assert modelled(site.case(), "beta") == [message]
    (finding,) = static_tls.check(site.case())
    assert "aligned to 4096" in finding.explanation


def test_near_miss_two_of_them(site: Site) -> None:
    three_takers(site, names=NAMES[:2])
    assert refused(site, "alpha", "beta") == []
    assert list(static_tls.check(site.case())) == []


def test_near_miss_the_dynamic_model(site: Site) -> None:
    three_takers(site, size=7000, model="global-dynamic")
    assert refused(site, *NAMES) == []
    assert list(static_tls.check(site.case())) == []

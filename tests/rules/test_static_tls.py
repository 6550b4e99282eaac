"""static-tls: the block that libraries loaded later share is spent."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import static_tls
from abiclash.rules.case import Stage
from abiclash.rules.model import Confidence, Severity
from abiclash.sources.host_profile import HostProfile
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
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.summary == ("beta cannot be loaded after alpha: the room for static thread-local storage is spent.")
    assert f"start {finding.evidence['at_start']:,} bytes of it are free" in finding.explanation
    assert "In this order they go to: alpha/libalpha.so 500 bytes." in finding.explanation
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
    assert finding.summary.startswith("alpha and beta do not fit together:")


def test_found_alone_is_a_warning_with_the_parts_of_the_load(site: Site) -> None:
    """Two libraries of one package, each of which would fit."""
    three_takers(site, names=("alpha",), size=8)
    site.library("beta/libdeep.so", variable(900, name="deep"), open_with=None)
    site.library("beta/libtop.so", variable(950, name="top"), needs=["beta/libdeep.so"])
    case = site.case()
    (message,) = refused(site, "beta")
    assert modelled(case, "beta") == [message]
    (finding,) = static_tls.check(case)
    assert finding.severity is Severity.WARNING
    assert [package.name for package in finding.packages] == ["beta"]
    assert (finding.failing_order, finding.safe_order) == (("beta",), None)
    assert finding.evidence["taken"] == [{"object": "beta/libdeep.so", "bytes": 900}]
    assert finding.evidence["left"] < 900  # type: ignore[operator]
    assert finding.evidence["needed"] == 950
    assert "even alone" in finding.summary


def test_found_alone_for_its_alignment(site: Site) -> None:
    site.library("beta/libbeta.so", variable(4096, align=4096).replace("[4096]", "[1]"))
    (message,) = refused(site, "beta")
    assert modelled(site.case(), "beta") == [message]
    (finding,) = static_tls.check(site.case())
    assert "aligned to 4096" in finding.explanation
    assert "In this order they go to: nobody yet." in finding.explanation


def test_found_alone_with_the_room_that_it_takes_in_all(site: Site) -> None:
    site.library("beta/libdeep.so", variable(900, name="deep"), open_with=None)
    site.library("beta/libtop.so", variable(4000, name="top"), needs=["beta/libdeep.so"])
    tunable = "glibc.rtld.optional_static_tls=8192"
    assert refused(site, "beta") != []
    assert refused(site, "beta", GLIBC_TUNABLES=tunable) == []
    (finding,) = static_tls.check(site.case())
    assert any(f"GLIBC_TUNABLES={tunable}" in advice.text for advice in finding.advice)


def test_found_alone_once_for_each_object(site: Site) -> None:
    """Their fingerprints tell them apart; those of a set do not change with who is last."""
    for name in ("one", "two"):
        site.library(f"beta/lib{name}.so", variable(2000, name=name))
    first, second = static_tls.check(site.case())
    assert [finding.objects for finding in (first, second)] == [("beta/libone.so",), ("beta/libtwo.so",)]
    assert first.id != second.id


def test_found_in_a_set_has_one_fingerprint(site: Site) -> None:
    three_takers(site)
    (before,) = static_tls.check(site.case())
    site.library("alpha/la.so", variable(700, name="more"))
    (after,) = static_tls.check(site.case())
    assert before.objects[0] != after.objects[0]
    assert before.id == after.id


def test_found_with_room_that_the_system_takes(site: Site) -> None:
    site.library("libsystem.so", variable(700, name="block"), system=True)
    for name in NAMES[:2]:
        site.library(f"{name}/lib{name}.so", variable(700), needs=["libsystem.so"])
    case = site.case()
    assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") != []
    (finding,) = static_tls.check(case)
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert str(site.paths["libsystem.so"]) in finding.objects


def test_found_for_a_library_that_was_there_before(site: Site) -> None:
    """It could do without the block, until another one reaches into its variables."""
    site.library("alpha/libalpha.so", variable(1000, "global-dynamic"))
    site.library("beta/libbeta.so", variable(900, name="other"))
    use = '__attribute__((tls_model("initial-exec"))) extern __thread char room[]; char *use(void) { return room; }'
    site.library("gamma/libgamma.so", use, needs=["alpha/libalpha.so"])
    case = site.case()
    (message,) = refused(site, *NAMES)
    assert modelled(case, *NAMES) == [message]
    assert refused(site, "gamma") == refused(site, "alpha", "gamma") == []
    finding = next(iter(static_tls.check(case)))
    assert (finding.evidence["needed"], finding.objects[0]) == (1000, "alpha/libalpha.so")


def test_found_alone_though_another_package_has_a_smaller_copy(site: Site) -> None:
    """A library name is looked up once: after alpha, beta gets a copy that needs no room."""
    site.library("alpha/libx.so", variable(2000, "global-dynamic"), soname="libx.so")
    site.library("beta/libx.so", variable(2000), soname="libx.so", open_with=None)
    use = "char *ask_room(void); char *use(void) { return ask_room(); }"
    site.library("beta/libbeta.so", use, needs=["beta/libx.so"])
    case = site.case()
    assert refused(site, "beta", "alpha") == modelled(case, "beta", "alpha") != []
    assert refused(site, "alpha", "beta") == modelled(case, "alpha", "beta") == []
    (finding,) = static_tls.check(case)
    assert finding.severity is Severity.WARNING
    assert (finding.failing_order, finding.safe_order) == (("beta",), ("alpha", "beta"))


def test_found_in_company_though_another_package_fails_alone(site: Site) -> None:
    """One library fails for both; the set is what is told of."""
    site.library("alpha/libdeep.so", variable(1000), open_with=None)
    site.library("alpha/libalpha.so", "int nothing;", needs=["alpha/libdeep.so"])
    site.library("beta/libhog.so", variable(900, name="hog"), open_with=None)
    site.library("beta/libbeta.so", "int nothing;", needs=["alpha/libdeep.so", "beta/libhog.so"])
    site.library("gamma/libgamma.so", variable(900, name="taken"))
    case = site.case()
    (alone,) = refused(site, "beta")
    (message,) = refused(site, "gamma", "alpha")
    assert alone == message == f"{site.paths['alpha/libdeep.so']}: {REFUSAL}"
    finding = next(iter(static_tls.check(case)))
    assert finding.severity is Severity.ERROR
    assert finding.objects[0] == "alpha/libdeep.so"
    assert finding.failing_order is not None
    assert len(finding.failing_order) == 3


def test_found_alone_for_its_size_though_it_is_aligned(site: Site) -> None:
    """The whole block is aligned to as much: that is not why it does not fit."""
    site.library("beta/libbeta.so", variable(2000, align=64))
    case = site.case()
    assert case.alone["beta", Stage.IMPORT].process.tls.align == 64
    (finding,) = static_tls.check(case)
    assert "needs 2,000 bytes and" in finding.explanation


def test_found_where_the_tunable_does_not_exist(site: Site) -> None:
    three_takers(site)
    case = site.case()
    for version, told in {(2, 31): "LD_PRELOAD", (2, 32): "GLIBC_TUNABLES"}.items():
        assert isinstance(case.host, HostProfile)
        (finding,) = static_tls.check(replace(case, host=replace(case.host, libc_version=version)))
        assert [told in advice.text for advice in finding.advice if advice.who == "user"] == [True]


def test_near_miss_two_of_them(site: Site) -> None:
    three_takers(site, names=NAMES[:2])
    assert refused(site, "alpha", "beta") == []
    assert list(static_tls.check(site.case())) == []


def test_near_miss_the_dynamic_model(site: Site) -> None:
    three_takers(site, size=7000, model="global-dynamic")
    assert refused(site, *NAMES) == []
    assert list(static_tls.check(site.case())) == []

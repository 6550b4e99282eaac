"""python-abi: C APIs that are checked on import."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import python_abi
from abiclash.rules.model import Confidence, PackageId, Severity

if TYPE_CHECKING:
    from abiclash.imports.plan import Certainty
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

OLD, NEW = "numpy.core._multiarray_umath", "numpy._core._multiarray_umath"
HEADERS = "module was compiled against NumPy C-API version 0x%x (NumPy {}) but the running NumPy has C-API version 0x%x"


def module(name: str, *strings: str) -> str:
    texts = ", ".join(f'"{text}"' for text in strings)
    return f"const char *const texts[] = {{{texts}}};\nvoid *PyInit_{name}(void) {{ return (void *)texts; }}\n"


def provider_and_user(site: Site, *strings: str, provider: str = "2.0.0", later: bool = False) -> Case:
    place = "_core" if provider.startswith("2") else "core"
    site.library(f"numpy/{place}/_multiarray_umath.so", module("_multiarray_umath", "numpy"))
    site.library("user/fast.so", module("fast", *strings), later=later)
    case = site.case()
    numpy = replace(case.packages["numpy"], id=PackageId("numpy", provider))
    return replace(case, packages={**case.packages, "numpy": numpy})


def test_found_compiled_for_numpy_1_beside_numpy_2(site: Site) -> None:
    (finding,) = python_abi.check(provider_and_user(site, OLD))
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.LIKELY)
    assert [package.name for package in finding.packages] == ["numpy", "user"]
    assert finding.evidence["failing_orders"] == [["numpy", "user"], ["user", "numpy"]]
    assert finding.objects == ("user/fast.so",)
    assert "'numpy<2'" in finding.advice[0].text


CHECK = "%.200s.%.200s size changed, may indicate binary incompatibility. Expected %zd from C header, got %zd"


def test_found_a_module_that_checks_sizes_and_asks_for_no_functions(site: Site) -> None:
    (finding,) = python_abi.check(
        provider_and_user(site, CHECK, "numpy.core.multiarray failed to import", "numpy.dtype")
    )
    assert (finding.severity, finding.objects) == (Severity.ERROR, ("user/fast.so",))


def test_near_miss_types_declared_by_numpy_2(site: Site) -> None:
    """Cython's own messages stay the same; so does the one of the functions, in modules with both."""
    new = "numpy._core.multiarray failed to import"
    assert list(python_abi.check(provider_and_user(site, CHECK, new, "numpy.dtype"))) == []
    both = provider_and_user(site, CHECK, "numpy.core.multiarray failed to import", OLD, NEW)
    assert list(python_abi.check(both)) == []


def test_found_a_module_that_only_use_loads_is_a_warning(site: Site) -> None:
    (finding,) = python_abi.check(provider_and_user(site, OLD, later=True))
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)


def test_near_miss_headers_of_numpy_2(site: Site) -> None:
    assert list(python_abi.check(provider_and_user(site, OLD, NEW))) == []


def test_near_miss_numpy_1_is_there(site: Site) -> None:
    assert list(python_abi.check(provider_and_user(site, OLD, provider="1.26.4"))) == []


def test_found_compiled_for_a_newer_numpy(site: Site) -> None:
    (finding,) = python_abi.check(provider_and_user(site, OLD, NEW, HEADERS.format("1.25"), provider="1.23.0"))
    assert finding.severity is Severity.ERROR
    assert "'numpy>=1.25'" in finding.advice[0].text


def test_near_miss_compiled_for_an_older_numpy(site: Site) -> None:
    assert list(python_abi.check(provider_and_user(site, OLD, NEW, HEADERS.format("1.20"), provider="1.23.0"))) == []


def supports_both(site: Site, certainty: Certainty) -> Case:
    """A package with a module for old releases, and another one for new releases that it imports somehow."""
    site.library("numpy/core/_multiarray_umath.so", module("_multiarray_umath", "numpy"))
    site.library("user/fast.so", module("fast", OLD, NEW, HEADERS.format("1.20")))
    site.library("user/_texts.so", module("_texts", OLD, NEW, HEADERS.format("2.0")))
    site.opened["user"][1] = replace(site.opened["user"][1], certainty=certainty)
    case = site.case()
    numpy = replace(case.packages["numpy"], id=PackageId("numpy", "1.23.0"))
    return replace(case, packages={**case.packages, "numpy": numpy})


def test_near_miss_a_module_for_newer_numpy_that_is_perhaps_left_out(site: Site) -> None:
    (finding,) = python_abi.check(supports_both(site, "likely"))
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)
    assert finding.objects == ("user/_texts.so",)


def test_found_a_module_for_newer_numpy_that_is_surely_imported(site: Site) -> None:
    (finding,) = python_abi.check(supports_both(site, "certain"))
    assert finding.severity is Severity.ERROR


XML = 'void xmlInitParser(void) {{}}\nconst char *number = "{}";\n'


def handshake(site: Site, mine: str, theirs: str, message: str) -> Case:
    site.library("tree/etree.so", XML.format(theirs) + module("etree", "tree"))
    site.library("sign/sign.so", XML.format(mine) + module("sign", "tree.etree", message))
    return site.case()


REFUSAL = "tree & sign libxml2 library version mismatch"


def test_found_two_versions_of_a_library_that_pass_each_other_objects(site: Site) -> None:
    (finding,) = python_abi.check(handshake(site, "21206", "21404", REFUSAL))
    assert finding.severity is Severity.ERROR
    assert [package.name for package in finding.packages] == ["sign", "tree"]
    assert finding.evidence["versions"] == {"sign": "2.12.6", "tree": "2.14.4"}
    assert REFUSAL in finding.explanation


def test_near_miss_versions_that_differ_in_the_last_number(site: Site) -> None:
    assert list(python_abi.check(handshake(site, "21206", "21209", REFUSAL))) == []


def test_near_miss_nobody_compares(site: Site) -> None:
    assert list(python_abi.check(handshake(site, "21206", "21404", "hello there"))) == []

"""shared-registry: one table in the process, two entries under one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.facts.strings import last_component
from abiclash.rules import shared_registry
from abiclash.rules.model import Confidence, Severity
from abiclash.rules.registries import readable
from tests.rules.harness import GLOBAL
from tests.rules.python_side import plain, with_python

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

KEY = "__pybind11_internals_v5_gcc_libstdcpp_cxxabi1014__"
GENERATED = "from google.protobuf import descriptor_pool as _pool\n_pool.Default().AddSerializedFile({data!r})\n"


def descriptor(file: str, *messages: str, package: str = "") -> str:
    """Return a generated module that registers a file with messages."""

    def field(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    data = field(1, file.encode()) + (field(2, package.encode()) if package else b"")
    return GENERATED.format(data=data + b"".join(field(4, field(1, name.encode())) for name in messages))


def two_registrations(site: Site, first: str, second: str, *, imported: bool = True) -> Case:
    start = "from {} import common_pb2\n" if imported else "#{}\n"
    sources = {
        "first/__init__.py": start.format("first"),
        "first/common_pb2.py": first,
        "second/__init__.py": start.format("second"),
        "second/common_pb2.py": second,
    }
    return with_python(site, plain(site, "first", "second"), sources)


def test_found_descriptors_of_one_file_name(site: Site) -> None:
    case = two_registrations(site, descriptor("common.proto", "A"), descriptor("common.proto", "B"))
    (finding,) = shared_registry.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["first", "second"]
    assert finding.evidence["files"] == ["common.proto"]
    assert finding.evidence["failing_orders"] == [["first", "second"], ["second", "first"]]
    assert finding.safe_order is None


def test_found_descriptors_of_modules_that_no_import_reaches_are_a_warning(site: Site) -> None:
    case = two_registrations(site, descriptor("common.proto", "A"), descriptor("common.proto", "B"), imported=False)
    (finding,) = shared_registry.check(case)
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.POSSIBLE)


def test_found_messages_of_one_full_name_in_two_files(site: Site) -> None:
    one, other = (descriptor(f"{at}/common.proto", "Health", package="grpc") for at in ("first", "second"))
    (finding,) = shared_registry.check(two_registrations(site, one, other))
    assert finding.evidence["names"] == ["grpc.Health"]
    assert "duplicate symbol" in finding.explanation


def test_near_miss_equal_descriptors(site: Site) -> None:
    same = descriptor("common.proto", "A")
    assert list(shared_registry.check(two_registrations(site, same, same))) == []


def test_near_miss_descriptors_under_names_of_their_own(site: Site) -> None:
    one, other = (descriptor(f"{at}/common.proto", "A", package=at) for at in ("first", "second"))
    assert list(shared_registry.check(two_registrations(site, one, other))) == []


def module(key: str, *strings: str) -> str:
    """Return an extension module that carries some text, in arrays, because the linker merges the ends of literals."""
    texts = "".join(f'const char text{at}[] = "{text}";\n' for at, text in enumerate((key, *strings)))
    return texts + "void *PyInit_core(void) { return (void *)text0; }\n"


def test_found_types_bound_under_one_name(site: Site) -> None:
    site.library("alpha/core.so", module(KEY, "8ObjSense", "ObjSense", "12InternalOnly"))
    site.library("beta/core.so", module(KEY, "8ObjSense", "ObjSense", "12InternalOnly"), soname="beta_core.so")
    (finding,) = shared_registry.check(site.case())
    assert finding.severity is Severity.WARNING
    assert finding.evidence["types"] == ["ObjSense"]
    assert [package.name for package in finding.packages] == ["alpha", "beta"]
    assert finding.evidence["failing_orders"] == [["alpha", "beta"], ["beta", "alpha"]]


def test_found_a_type_that_one_side_binds_under_a_longer_name(site: Site) -> None:
    key = "__pybind11_internals_v4_gcc_libstdcpp_cxxabi1014__"
    site.library("alpha/one.so", module(key, "10gpt_params", "gpt_params"))
    site.library("beta/two.so", module(key, "10gpt_params", "gptj_gpt_params"))
    (finding,) = shared_registry.check(site.case())
    assert finding.severity is Severity.WARNING
    assert finding.evidence["types"] == ["gpt_params"]


def test_near_miss_a_type_that_one_side_only_knows(site: Site) -> None:
    key = "__pybind11_internals_v4_gcc_libstdcpp_cxxabi1014__"
    site.library("alpha/one.so", module(key, "10gpt_params", "gpt_params"))
    site.library("beta/two.so", module(key, "10gpt_params", "params"))
    assert list(shared_registry.check(site.case())) == []


def test_near_miss_types_under_two_keys(site: Site) -> None:
    site.library("alpha/core.so", module(KEY, "8ObjSense", "ObjSense"))
    site.library("beta/core.so", module(KEY.replace("gcc", "clang"), "8ObjSense", "ObjSense"), soname="beta_core.so")
    assert list(shared_registry.check(site.case())) == []


def test_near_miss_types_of_the_binding_library(site: Site) -> None:
    for name in ("alpha", "beta"):
        site.library(f"{name}/core.so", module(KEY, "N8pybind117capsuleE", "capsule"), soname=f"{name}.so")
    assert list(shared_registry.check(site.case())) == []


OPTIONS = "_ZN4llvm2cl6Option11addArgumentEv"
LLVM = f"""
__attribute__((weak)) int {OPTIONS}(void) {{ return 1; }}
void *_ZN4llvm11LLVMContextC1Ev(void) {{ return 0; }}
int enter(void) {{ return {OPTIONS}(); }}
"""


def test_found_a_registry_that_another_copy_captures(site: Site) -> None:
    """The first copy comes into the global scope, and the second one enters its options there."""
    site.library("alpha/libone.so", LLVM, open_with=GLOBAL)
    site.library("beta/libtwo.so", LLVM)
    found = list(shared_registry.check(site.case()))
    assert [finding.failing_order for finding in found] == [("alpha", "beta")]
    assert found[0].safe_order == ("beta", "alpha")
    assert "registered more than once" in found[0].explanation


def test_near_miss_each_copy_keeps_to_itself(site: Site) -> None:
    site.library("alpha/libone.so", LLVM)
    site.library("beta/libtwo.so", LLVM)
    assert list(shared_registry.check(site.case())) == []


ADD_DESCRIPTORS = "_ZN6google8protobuf8internal14AddDescriptorsEPKNS1_15DescriptorTableE"
PROTOBUF = f"""
const char file[] = "\\012\\014common.proto\\042";
__attribute__((weak)) int {ADD_DESCRIPTORS}(const void *table) {{{{ return table != 0; }}}}
{{kind}} const void *descriptor_table_common_2eproto = file;
int enter(void) {{{{ return {ADD_DESCRIPTORS}(&descriptor_table_common_2eproto); }}}}
"""


@pytest.mark.parametrize(("kind", "found"), [("static", ["protobuf's generated descriptor pool"]), ("", [])])
def test_found_and_near_miss_one_descriptor_table_is_entered_once(site: Site, kind: str, found: list[str]) -> None:
    """Where the table itself is the first copy's, the second entry is the same one, which does nothing."""
    site.library("alpha/libone.so", PROTOBUF.format(kind=kind), open_with=GLOBAL)
    site.library("beta/libtwo.so", PROTOBUF.format(kind=kind))
    findings = list(shared_registry.check(site.case()))
    assert [finding.evidence["registry"] for finding in findings] == found


def test_near_miss_a_descriptor_that_is_only_text(site: Site) -> None:
    """An object that shows the table of another file enters that one, whatever else it holds."""
    site.library("alpha/libone.so", PROTOBUF.format(kind=""), open_with=GLOBAL)
    text = 'const char also[] = "\\012\\013other.proto\\042";'
    other = PROTOBUF.format(kind="").replace("common", "others") + text.replace("other", "common").replace("013", "014")
    site.library("beta/libtwo.so", other)
    assert list(shared_registry.check(site.case())) == []


@pytest.mark.parametrize(
    ("mangled", "plain_name"),
    [("8ObjSense", "ObjSense"), ("N5highs4NodeE", "highs::Node"), ("St6vectorIdSaIdEE", "St6vectorIdSaIdEE")],
)
def test_readable(mangled: str, plain_name: str) -> None:
    assert readable(mangled) == plain_name


@pytest.mark.parametrize(
    ("mangled", "last"),
    [("8ObjSense", "ObjSense"), ("N5highs4NodeE", "Node"), ("NK1a1BE", "B"), ("St6vectorIdSaIdEE", ""), ("1aIiE", "")],
)
def test_last_component(mangled: str, last: str) -> None:
    assert last_component(mangled) == last

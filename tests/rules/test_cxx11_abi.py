"""cxx11-abi: two layouts of std::string on the two ends of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import cxx11_abi
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

HEADER = "#include <string>\nnamespace box { struct Box { std::string text; int put(int); }; }\n"
PROVIDER = HEADER + 'int box::Box::put(int n) { text.append("abc"); return n; }\n'
USER = HEADER + 'int use() { box::Box b; b.text.append("some longer text than fits"); return b.put(1); }\n'
OLD = ("-D_GLIBCXX_USE_CXX11_ABI=0",)


def box_and_user(site: Site, *flags: str) -> Case:
    site.library("alpha/libbox.so", PROVIDER, language="c++")
    site.library("beta/libuse.so", USER, needs=["alpha/libbox.so"], language="c++", flags=flags)
    return site.case()


def test_found_a_class_that_holds_another_string(site: Site) -> None:
    found = list(cxx11_abi.check(box_and_user(site, *OLD)))
    assert [finding.severity for finding in found] == [Severity.WARNING]
    assert [package.name for package in found[0].packages] == ["alpha", "beta"]
    assert found[0].symbols == ("_ZN3box3Box3putEi",)
    assert (found[0].evidence["old"], found[0].evidence["new"]) == ("beta", "alpha")


def test_near_miss_the_same_strings(site: Site) -> None:
    assert list(cxx11_abi.check(box_and_user(site))) == []


def test_near_miss_only_c_functions_between_them(site: Site) -> None:
    site.library("alpha/libbox.so", PROVIDER + 'extern "C" int put(int n) { return n; }\n', language="c++")
    use = '#include <string>\nextern "C" int put(int);\n'
    use += 'int use() { std::string s(put(1), 120); s.append("x"); return 0; }\n'
    site.library("beta/libuse.so", use, needs=["alpha/libbox.so"], language="c++", flags=OLD)
    assert list(cxx11_abi.check(site.case())) == []

"""What a mangled name tells of its class, without a demangler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.demangle import demangle
from abiclash.rules.families import Member, family, readable, related

if TYPE_CHECKING:
    from abiclash.rules.families import Family

RANDOM = "_ZNSt13random_device7_M_initERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
TABLE = (
    "_ZNSt10_HashtableISsSt4pairIKSsSsESaIS2_ENSt8__detail10_Select1stESt8equal_toISsESt4hashISsENS4_18_Mod_range_"
    "hashingENS4_20_Default_ranged_hashENS4_20_Prime_rehash_policyENS4_17_Hashtable_traitsILb1ELb0ELb1EEEE9_M_rehashEmRKm"
)


def known(name: str) -> Family:
    found = family(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "shown", "member"),
    [
        (RANDOM, "std::random_device", "_M_init"),
        ("_ZNSt13random_device7_M_initERKSs", "std::random_device", "_M_init"),
        (TABLE, "std::_Hashtable", "_M_rehash"),
        ("_ZNSs4_Rep20_S_empty_rep_storageE", "std::string::_Rep", "_S_empty_rep_storage"),
        ("_ZN3re23DFA17InlinedSearchLoopILb1ELb1ELb0EEEbPNS0_12SearchParamsE", "re2::DFA", "InlinedSearchLoop"),
        ("_ZNK3foo3barILi10EA3_cE4evalILN3abc4EnumE2EEEvv", "foo::bar", "eval"),
        ("inflateInit2_", "inflate*", "inflateInit2_"),
        ("SSL_CTX_new", "SSL*", "SSL_CTX_new"),
        ("GOMP_parallel", "GOMP*", "GOMP_parallel"),
    ],
)
def test_family(name: str, shown: str, member: str) -> None:
    assert (known(name).shown, known(name).name, known(name).member) == (shown, member, Member.FUNCTION)


def test_overloads_share_a_family_and_instances_of_a_template_do_not() -> None:
    assert known(RANDOM).scope == known("_ZNSt13random_device9_M_getvalEv").scope
    assert known("_ZN3BoxIiE3getEv").scope != known("_ZN3BoxIlE3getEv").scope


@pytest.mark.parametrize("name", ["_ZNSt18condition_variableC1Ev", "_ZNKSt9exception4whatEv", "_ZN1aaSERKS_"])
def test_makers_are_told_apart(name: str) -> None:
    assert known(name).member is Member.MAKER


@pytest.mark.parametrize("name", ["_ZSt4cout", "_ZStplIcE", "main", "_Z1fv", "symbol 0011223344556677", "", "_ZN"])
def test_names_without_a_family(name: str) -> None:
    found = family(name)
    assert found is None or found.scope == "main"


def test_short_forms_agree_with_the_demangler() -> None:
    for name, text in demangle([RANDOM.encode(), b"_ZN3re23DFA9SearchFFTEPNS0_12SearchParamsE"]).items():
        assert text.startswith(readable(name.decode()))


@given(st.text(alphabet="NSIEKLJXFTACDBst_0123456789abZv", max_size=200))
def test_no_name_breaks_it(rest: str) -> None:
    found = family("_ZN" + rest)
    assert found is None or len(found.scope) <= len(rest)


def test_hostile_names_are_cheap() -> None:
    assert family("_ZN" + "I" * 4000) is None
    assert family("_ZN" + "1a" * 1500 + "E1b") is not None
    assert family("_ZN" + "1a" * 5000) is None


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        ("_ZNSs4_Rep20_S_empty_rep_storageE", "_ZNSs4_Rep10_M_destroyERKSaIcE", True),  # std::string's inner class
        ("_ZNSs4_Rep20_S_empty_rep_storageE", "_ZNSsD1Ev", True),
        ("_ZNSs4_Rep20_S_empty_rep_storageE", "_ZNSt8ios_base4InitC1Ev", False),
        ("_ZNSt5ctypeIcE2idE", "_ZNKSt5ctypeIcE8do_widenEc", True),
        ("_ZSt11__once_call", "__once_proxy", True),
        ("_ZSt15future_category", "_ZSt15future_categoryv", True),
        ("_ZSt15future_category", "_ZSt16generic_categoryv", False),
        ("_ZSt4cout", "_ZNSolsEi", False),
        ("state", "read_state", False),
        ("_ZN", "_ZN", False),
        ("", "", False),
    ],
)
def test_related(one: str, other: str, answer: bool) -> None:
    assert related(one, other) is answer
    assert related(other, one) is answer

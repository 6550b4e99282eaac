"""GLIBC_TUNABLES and the static TLS surplus that follows from them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.sources.tunables import DEFAULTS, parse_tunables, static_tls_surplus

_NNS = "glibc.rtld.nns"
_OPTIONAL = "glibc.rtld.optional_static_tls"
_NAMES = st.sampled_from([_NNS, _OPTIONAL, "glibc.rtld.dynamic_sort"])
_SETTING = st.builds("{}={}".format, _NAMES, st.text("019ax-", max_size=9))
_SETTINGS = st.lists(_SETTING, max_size=4).map(":".join)


@pytest.mark.parametrize(
    ("expected", "version", "text", "audit"),
    [
        (1664, (2, 17), "", 0),
        (1664, (2, 31), f"{_NNS}=16", 2),  # a constant before 2.32
        (1664, (2, 32), "", 0),
        (1664, (2, 36), "", 0),
        (1664, (2, 41), "", 0),
        (1664 - 512, (2, 36), f"{_OPTIONAL}=0", 0),
        (1664 + 512, (2, 36), f"{_OPTIONAL}=1024", 0),
        (1664 + 288, (2, 36), f"{_NNS}=5", 0),
        (1664 - 3 * 288, (2, 36), f"{_NNS}=1", 0),
        (1664 + 2 * 288, (2, 36), "", 2),
        (1664 + 288 + 88, (2, 36), f"{_NNS}=5:{_OPTIONAL}=600", 0),
    ],
)
def test_surplus(expected: int, version: tuple[int, int], text: str, audit: int) -> None:
    """The figures follow from glibc elf/dl-tls.c: 144 bytes for libc and 144 for others in each namespace."""
    assert expected == static_tls_surplus(parse_tunables(text), version, audit)


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (4, ""),
        (7, f"{_NNS}=7"),
        (7, f"{_NNS}=0x7"),
        (8, f"{_NNS}=010"),
        (7, f"glibc.malloc.check=3:{_NNS}=7"),
        (7, f"{_NNS}=3:{_NNS}=7"),
        (7, f"stray:{_NNS}=7"),
        (4, f"{_NNS}=17"),  # above its bound
        (4, f"{_NNS}=-1"),
        (4, f"{_NNS}=seven"),
        (4, f"{_NNS}=7x"),
        (4, f"{_NNS}=09"),
        (4, "rtld.nns=7"),
        (4, f"{_NNS}=7:stray"),  # ill-formed: ignored as a whole
        (4, f"{_NNS}=7="),
    ],
)
def test_settings(expected: int, text: str) -> None:
    assert expected == parse_tunables(text)["rtld.nns"]


@given(st.text(max_size=60) | _SETTINGS)
def test_any_text_gives_values_within_bounds(text: str) -> None:
    values = parse_tunables(text)
    assert set(values) == set(DEFAULTS)
    assert 1 <= values["rtld.nns"] <= 16
    assert 1 <= values["rtld.dynamic_sort"] <= 2
    assert 0 <= values["rtld.optional_static_tls"] < 2**64

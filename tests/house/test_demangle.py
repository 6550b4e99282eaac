"""Demangling: right on honest names, harmless on hostile ones."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from abiclash import demangle as room
from abiclash.demangle import demangle

HONEST = {
    b"_ZSt11__once_call": "std::__once_call",
    b"_ZNSt13random_device7_M_initERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE": (
        "std::random_device::_M_init("
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)"
    ),
    b"malloc": "malloc",
    b"_Znot_a_name": "_Znot_a_name",
    b"": "",
}


def test_honest_names() -> None:
    assert demangle(HONEST) == HONEST


def test_nothing_to_demangle_starts_no_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    assert demangle([b"PyInit_x", b"_Z" + b"1a" * 4000]) == {
        b"PyInit_x": "PyInit_x",
        b"_Z" + b"1a" * 4000: "_Z" + "1a" * 4000,
    }


@pytest.mark.parametrize(
    "name",
    [
        b"_Z\xff\xfe",
        b"_Z1a\x00b",
        b"_Z1a\nb",
        b"_Z" + b"P" * 4000 + b"i",
        b"_Z1f" + b"I" * 4000,
        b"_Z1fI" + b"S_" * 2000,
        b"_Z1aIJ" + b"".join(b"Dp1aI" + b"S%d_" % i for i in range(300)) + b"E" * 301,
    ],
)
def test_hostile_names_do_not_disturb_the_others(name: bytes) -> None:
    shown = demangle([b"_ZSt11__once_call", name, b"_ZSt4cout"])
    assert (shown[b"_ZSt11__once_call"], shown[b"_ZSt4cout"]) == ("std::__once_call", "std::cout")
    assert shown[name]


def test_a_helper_that_dies_costs_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run
    deadly = b"_ZSt3cin"

    def dying(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        names = options["input"]
        assert isinstance(names, bytes)
        options["input"] = names.split(deadly)[0]  # dies at this name: nothing from there on is answered
        return real(command, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "run", dying)
    shown = demangle([b"_ZSt11__once_call", deadly, b"_ZSt4cout"])
    assert shown == {b"_ZSt11__once_call": "std::__once_call", deadly: "_ZSt3cin", b"_ZSt4cout": "std::cout"}


def test_without_a_helper_names_stay_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert demangle([b"_ZSt4cout"]) == {b"_ZSt4cout": "_ZSt4cout"}


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SECONDS", 0.5)
    monkeypatch.setattr(sys, "executable", "/bin/sleep")  # `sleep -P ...` fails at once, as a broken helper would
    start = time.monotonic()
    assert demangle([b"_ZSt4cout", b"_ZSt3cin"])[b"_ZSt4cout"] == "_ZSt4cout"
    assert time.monotonic() - start < 5

"""Demangling: right on honest names, harmless on hostile ones."""

from __future__ import annotations

import time

import pytest

from abiclash import demangle as room
from abiclash.demangle import demangle
from abiclash.helper import Helper

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


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_KNOWN", {})


def test_honest_names() -> None:
    assert demangle(HONEST) == HONEST


def test_nothing_to_demangle_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_HELPER", None)
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


class Deadly:
    """A helper that dies of some names, and takes its time for each question."""

    def __init__(self, *deadly: bytes, seconds: float = 0) -> None:
        self.deadly, self.seconds, self.questions = deadly, seconds, 0

    def ask(self, question: bytes, seconds: float) -> bytes | None:
        self.questions += 1
        time.sleep(min(seconds, self.seconds))
        return None if set(question.split(b"\0")) & set(self.deadly) else question.replace(b"_Z", b"!")


def test_a_helper_that_dies_costs_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_HELPER", Deadly(b"_Z2"))
    assert demangle([b"_Z1", b"_Z2", b"_Z3"]) == {b"_Z1": "!1", b"_Z2": "_Z2", b"_Z3": "!3"}


def test_names_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    helper = Deadly(b"_Z2")
    monkeypatch.setattr(room, "_HELPER", helper)
    first = demangle([b"_Z1", b"_Z2"])
    asked = helper.questions
    assert demangle([b"_Z2", b"_Z1"]) == first
    assert helper.questions == asked
    monkeypatch.setattr(room, "_MOST_KNOWN", 2)
    assert demangle([b"_Z1", b"_Z3"]) == {b"_Z1": "!1", b"_Z3": "!3"}
    assert len(room._KNOWN) == 2


def test_many_deadly_names_end_the_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [b"_Z%03d" % number for number in range(200)]
    helper = Deadly(*names)
    monkeypatch.setattr(room, "_HELPER", helper)
    assert demangle(names) == {name: name.decode() for name in names}
    assert helper.questions < 20


def test_without_a_helper_names_stay_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_HELPER", Helper("abiclash.there_is_no_such_module"))
    assert demangle([b"_ZSt4cout"]) == {b"_ZSt4cout": "_ZSt4cout"}


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SECONDS", 0.5)
    monkeypatch.setattr(room, "_HELPER", Deadly(seconds=0.2))
    names = [b"_Z%06d" % number for number in range(256 * 20)]
    start = time.monotonic()
    shown = demangle(names)
    assert time.monotonic() - start < 3
    assert shown[names[0]] == "!000000"
    assert shown[names[-1]] == names[-1].decode()

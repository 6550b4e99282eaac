"""Predicted bindings of a real process, and what a comparison says when one side is wrong."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.lab.bindlog import Binding
from abiclash.lab.compare import compare, predict
from abiclash.lab.observe import observe

if TYPE_CHECKING:
    from abiclash.lab.records import Observation
    from tests.support import Builder

pytestmark = pytest.mark.compiler


@pytest.fixture(scope="module")
def plain() -> Observation:
    return observe(sys.executable, "import ctypes, ssl, decimal")


def test_a_plain_process_is_predicted_exactly(plain: Observation) -> None:
    result = compare(plain, predict(sys.executable, plain.records()))
    assert (result.missing, result.extra, result.failures) == ((), (), ())
    assert result.agree == result.observed == len(plain.bindings)
    assert (result.exact, result.percent) == (True, 100.0)


def test_a_wrong_target_is_missing_and_extra(plain: Observation) -> None:
    right = plain.bindings[-1]
    wrong = Binding(right.source, right.symbol, right.version, plain.bindings[0].source)
    assert wrong != right
    changed = dataclasses.replace(plain, bindings=(*plain.bindings[:-1], wrong))
    result = compare(changed, predict(sys.executable, plain.records()))
    assert (result.missing, result.extra, result.exact) == ((wrong,), (right,), False)


def test_names_that_the_prediction_never_met_are_missing(plain: Observation) -> None:
    strange = Binding("/no/such.so", "f", "V_9", "/no/other.so")
    versioned = plain.bindings[0]._replace(version="V_9")
    seen = dataclasses.replace(plain, bindings=(*plain.bindings, strange, versioned))
    assert set(compare(seen, predict(sys.executable, plain.records())).missing) == {strange, versioned}


def test_a_failed_load_is_compared_word_for_word(builder: Builder) -> None:
    below = builder.library("libbelow.so", "int below(void) { return 1; }", versions="V_1 { below; };")
    source = "extern int below(void), gone(void); int top(void) { return below() + gone(); }"
    top = builder.library("libtop.so", source, libs=[below], runpath="$ORIGIN")
    code = f"import ctypes\ntry:\n    ctypes.CDLL({str(top)!r})\nexcept OSError: pass"
    seen = observe(sys.executable, code)
    result = compare(seen, predict(sys.executable, seen.records()))
    assert seen.exit == 0
    assert result.failures == ("libtop.so: undefined symbol: gone",)
    assert result.exact
    silent = dataclasses.replace(seen, events=tuple(event for event in seen.events if event.kind != "error"))
    assert not compare(silent, predict(sys.executable, seen.records())).exact


def test_capture_and_closing_are_predicted(builder: Builder) -> None:
    """The first loader's unversioned variable captures the shared library's own reference; then it is closed."""
    shared = builder.library("libshared.so", "int state = 1; int *get(void) { return &state; }")
    source = "int state = 2; extern int *get(void); int *top(void) { return get(); }"
    first = builder.library("libfirst.so", source, libs=[shared], runpath="$ORIGIN")
    code = f"""
import ctypes, _ctypes
first = ctypes.CDLL({str(first)!r})
_ctypes.dlclose(first._handle)
ctypes.CDLL({str(shared)!r})
"""
    seen = observe(sys.executable, code)
    targets = [row.target for row in seen.bindings if (row.source, row.symbol) == (str(shared), "state")]
    assert targets == [str(first), str(shared)]
    result = compare(seen, predict(sys.executable, seen.records()))
    assert result.exact


def test_slots_that_no_call_has_bound_are_not_counted(builder: Builder) -> None:
    path = builder.library("libone.so", "extern int puts(const char *); int one(void) { return puts(0); }")
    seen = observe(sys.executable, f"import ctypes\nctypes.CDLL({str(path)!r})", bind_now=False)
    eager = observe(sys.executable, f"import ctypes\nctypes.CDLL({str(path)!r})")
    assert len(seen.bindings) < len(eager.bindings)
    assert compare(seen, predict(sys.executable, seen.records())).exact

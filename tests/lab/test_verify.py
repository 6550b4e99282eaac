"""Verification end to end: what works, what crashes (with its stack), what never ends."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import LabError
from abiclash.lab.run import Limits
from abiclash.lab.verify import orders, verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder


def test_orders_are_each_alone_then_all_together() -> None:
    assert orders(["a"]) == [("a",)]
    assert orders(["a", "b"]) == [("a",), ("b",), ("a", "b"), ("b", "a")]
    assert len(orders(["a", "b", "c"])) == 3 + 6
    assert orders(["a", "b", "c", "d"])[4:] == [("a", "b", "c", "d"), ("d", "c", "b", "a")]


def test_what_works_is_exact() -> None:
    said: list[str] = []
    found = verify(sys.executable, ["import _csv", "import _decimal"], progress=said.append)
    assert [(trial.order, trial.outcome) for trial in found.trials] == [
        (("import _csv",), "works"),
        (("import _decimal",), "works"),
        (("import _csv", "import _decimal"), "works"),
        (("import _decimal", "import _csv"), "works"),
    ]
    assert (found.exact, found.not_analysed) == (True, ())
    assert said[2] == "import _csv; import _decimal"


@pytest.fixture
def crashing(builder: Builder) -> str:
    source = """
        volatile int *nowhere;
        void stumble(void) { *nowhere = 1; }
        __attribute__((constructor)) static void start(void) { stumble(); }
    """
    path = builder.library("libcrash.so", source, flags=["-O0"])
    return f"import ctypes; ctypes.CDLL({str(path)!r})"


@pytest.mark.compiler
def test_a_crash_is_told_with_its_signal_and_stack(crashing: str) -> None:
    if shutil.which("gdb") is None:
        pytest.skip("needs gdb")
    (trial,) = verify(sys.executable, [crashing]).trials
    assert (trial.works, trial.outcome) == (False, "SIGSEGV")
    if trial.stack is None:
        pytest.skip("this system does not let gdb trace")
    assert "SIGSEGV" in trial.stack
    frames = [line for line in trial.stack.splitlines() if line.startswith("#")]
    assert "stumble" in frames[0]
    assert any("dl_init" in frame for frame in frames)
    assert trial.comparison is not None
    assert trial.comparison.exact


@pytest.mark.compiler
def test_a_crash_without_gdb_says_so(crashing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "gdb" else which(name))
    found = verify(sys.executable, [crashing])
    assert found.trials[0].stack is None
    assert [problem.reason for problem in found.not_analysed] == [
        "no stack of the crash: gdb is absent or may not trace"
    ]


def test_a_failing_import_keeps_its_words() -> None:
    (trial,) = verify(sys.executable, ["import no_such_module_at_all"]).trials
    assert (trial.outcome, trial.stack) == ("exit status 1", None)
    assert "No module named 'no_such_module_at_all'" in trial.run.stderr


def test_a_program_that_never_ends_is_ended() -> None:
    (trial,) = verify(sys.executable, ["import time; time.sleep(600)"], limits=Limits(seconds=1.5)).trials
    assert trial.outcome.startswith("no end within")
    assert not trial.works


def test_a_run_that_differs_when_observed_is_told() -> None:
    (problem,) = verify(sys.executable, ["import os; os._exit('LD_DEBUG' in os.environ)"]).not_analysed
    assert problem.reason.startswith("it ended with 0 undisturbed and with 1 when observed")


def test_a_missing_interpreter_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no such interpreter"):
        verify(tmp_path / "bin/python", ["import sys"])

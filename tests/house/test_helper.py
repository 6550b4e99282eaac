"""Helper processes: one for many questions, and another one after it died."""

from __future__ import annotations

import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from abiclash.helper import Helper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = """
import os, resource, time
from abiclash.helper import serve

def answer(question):
    if question == b"die":
        os.abort()
    if question == b"hang":
        time.sleep(60)
    if question == b"half":
        os.write(1, (100).to_bytes(8, "little") + b"half")
        os._exit(0)
    if question == b"lie":
        os.write(1, b"\\xff" * 8)
    if question == b"limit":
        return str(resource.getrlimit(resource.RLIMIT_DATA)).encode()
    if question == b"fill":
        return str(len(bytearray(2 << 30))).encode()
    return str(os.getpid()).encode() if question == b"who" else question

serve(answer, 1 << 30)
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    (tmp_path / "answering.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    one = Helper("answering")
    yield one
    one.close()


def test_one_process_answers_all(helper: Helper) -> None:
    big = bytes(range(256)) * 40_000
    who = helper.ask(b"who", 20)
    assert helper.ask(b"", 20) == b""
    assert helper.ask(big, 20) == big
    assert helper.ask(b"who", 20) == who
    assert who not in (None, str(os.getpid()).encode())


@pytest.mark.parametrize("question", [b"die", b"half", b"lie", b"fill"])
def test_what_kills_it_costs_one_answer(helper: Helper, question: bytes) -> None:
    before = helper.ask(b"who", 20)
    assert helper.ask(question, 20) is None
    assert helper.ask(b"who", 20) not in (None, before)


def test_time_is_bounded_and_a_late_answer_is_nobodys(helper: Helper) -> None:
    assert helper.ask(b"who", 20)
    began = time.monotonic()
    assert helper.ask(b"hang", 0.2) is None
    assert time.monotonic() - began < 5
    assert helper.ask(b"next", 20) == b"next"


def test_an_interrupted_question_leaves_no_answer(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int, count: int, end: float) -> bytes:
        raise KeyboardInterrupt

    assert helper.ask(b"who", 20)
    with monkeypatch.context() as patch:
        patch.setattr("abiclash.helper._read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            helper.ask(b"first", 20)
    assert helper.ask(b"second", 20) == b"second"


def test_threads_get_their_own_answers(helper: Helper) -> None:
    questions = [str(number).encode() for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: helper.ask(one, 20), questions)) == questions


def test_a_fork_has_a_helper_of_its_own(helper: Helper) -> None:
    before = helper.ask(b"who", 20)
    child = os.fork()
    if not child:
        own = helper.ask(b"who", 20)
        helper.close()
        os._exit(0 if own not in (None, before) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert helper.ask(b"who", 20) == before


def test_where_none_can_be_started(helper: Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nonexistent/python")
        assert helper.ask(b"who", 20) is None
        patch.setattr(sys, "executable", "/bin/true")
        assert helper.ask(b"who", 20) is None
    assert helper.ask(b"again", 20) == b"again"


def test_a_lower_limit_of_the_parent_holds(helper: Helper) -> None:
    """Only root may raise a limit; the helper must not die of trying."""
    assert helper.ask(b"limit", 20) == str((1 << 30, 1 << 30)).encode()
    child = os.fork()
    if not child:
        low = (500 << 20, 500 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, low)
        os._exit(0 if helper.ask(b"limit", 20) == str(low).encode() else 1)
    assert os.waitpid(child, 0)[1] == 0

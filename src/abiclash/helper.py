"""A helper process that may die: for work on the bytes of strangers that can crash, hang or fill a library.

A module that does such work gives `serve` a function when it is run (`python -m MODULE`), and asks a `Helper` of its
own name everywhere else. Questions and answers are bytes, each after its length in 8 bytes.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = struct.Struct("<Q")
_LONGEST_ANSWER = 64 << 20


class Helper:
    """One child of this process that answers questions, started at the first one and again after it died.

    Safe for threads, which wait for each other, and for forks, which start one of their own. It ends with its parent.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def ask(self, question: bytes, seconds: float) -> bytes | None:
        """Return the answer; None where the helper died of the question, or took longer than that and was killed."""
        answer = None
        with self._lock:
            try:
                with suppress(OSError):
                    answer = self._asked(question, time.monotonic() + seconds)
            finally:  # an interrupted question must not leave its answer to the next one
                if answer is None:
                    self._stop()
        return answer

    def close(self) -> None:
        """End the helper; the next question starts another one."""
        with self._lock:
            self._stop()

    def _forget(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def _asked(self, question: bytes, end: float) -> bytes:
        """Return the answer. Raises OSError where there is none in time."""
        if self._process is None:
            command = [sys.executable, "-P", "-m", self._module]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)
        questions, answers = self._process.stdin, self._process.stdout
        if questions is None or answers is None:
            raise OSError("no pipes")
        for part in (_LENGTH.pack(len(question)), question):  # it reads all of it before it begins
            left = memoryview(part)
            while left:
                left = left[questions.write(left) :]
        (length,) = _LENGTH.unpack(_read(answers.fileno(), _LENGTH.size, end))
        if length > _LONGEST_ANSWER:
            raise OSError("no answer of ours")
        return _read(answers.fileno(), length, end)

    def _stop(self) -> None:
        if self._process is not None:
            with self._process:  # closes the pipes and waits
                self._process.kill()
        self._process = None


def _read(descriptor: int, count: int, end: float) -> bytes:
    """Return as many bytes of a pipe. Raises OSError where they do not come in time."""
    pipe, content = select.poll(), bytearray()
    pipe.register(descriptor, select.POLLIN)
    while len(content) < count:
        if not pipe.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError
        part = os.read(descriptor, count - len(content))
        if not part:
            raise BrokenPipeError
        content += part
    return bytes(content)


def serve(answer: Callable[[bytes], bytes], memory: int) -> None:
    """Answer questions until the parent goes away.

    memory: bytes of data that this process may have, unless its parent may have less.
    """
    import resource  # noqa: PLC0415 - only the helper needs it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_DATA)[1]
    bound = memory if most == resource.RLIM_INFINITY else min(memory, most)  # only root may raise it
    resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while length := questions.read(_LENGTH.size):
        content = answer(questions.read(*_LENGTH.unpack(length)))
        answers.write(_LENGTH.pack(len(content)) + content)
        answers.flush()

"""Readable forms of C++ symbol names, made where a hostile name can do no harm.

Names come from strangers, and demanglers recurse and blow up. So `__cxa_demangle` (of the machine's C++ runtime,
through ctypes) runs in a helper process with limits on memory, time per name and length, which may die: then the
name it died of stays raw and another helper goes on with the rest. Run as `python -m abiclash.demangle`, this
module is that helper: names on stdin, each ended by NUL; one NUL-ended answer for each on stdout, empty for none.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST = 4096
"""Bytes of the longest name that is tried; the longest of tensorflow's has about 3,000."""

_LONGEST_ANSWER = 65536
_SECONDS_PER_NAME = 2
_SECONDS = 60
_MEMORY = 1 << 30
_HELPERS = 8
_RUNTIMES = ("libstdc++.so.6", "libc++abi.so.1", "libc++abi.dylib")


def demangle(names: Iterable[bytes]) -> dict[bytes, str]:
    """Return a readable form of each name; the name itself where it has none or could not be demangled."""
    wanted = set(names)
    shown = {name: raw_text(name) for name in wanted}
    left = sorted(name for name in wanted if name.startswith(b"_Z") and len(name) <= LONGEST and b"\0" not in name)
    end = time.monotonic() + _SECONDS
    for _ in range(_HELPERS):
        seconds = end - time.monotonic()
        if not left or seconds <= 0:
            break
        answers = _ask(left, seconds)
        shown.update({name: raw_text(answer) for name, answer in zip(left, answers, strict=False) if answer})
        left = left[len(answers) + 1 :]
    return shown


def raw_text(name: bytes) -> str:
    r"""Return the name as text; bytes that are not UTF-8 are shown as \xNN."""
    return name.decode("utf-8", "backslashreplace")


def _ask(names: list[bytes], seconds: float) -> list[bytes]:
    """Return the answers of one helper: fewer than names where it died, for the name after the last answer."""
    command = [sys.executable, "-P", "-m", "abiclash.demangle"]
    text = b"".join(name + b"\0" for name in names)
    try:
        done = subprocess.run(command, input=text, capture_output=True, timeout=seconds, check=False)
        answered = done.stdout
    except subprocess.TimeoutExpired as late:
        answered = late.stdout or b""
    except OSError:
        return []
    return answered.split(b"\0")[:-1]


def _demangler() -> Callable[[bytes], bytes]:
    """Return a function around the C++ runtime's `__cxa_demangle`; b'' where it finds no name in it.

    The memory of its answers is left to the end of the process. OSError without a C++ runtime.
    """
    import ctypes  # noqa: PLC0415 - only the helper needs it

    for name in _RUNTIMES:
        try:
            function = ctypes.CDLL(name)["__cxa_demangle"]
        except OSError:
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
        return lambda name: function(name, None, None, None) or b""
    raise OSError("no C++ runtime")


def _serve() -> None:
    """Answer all names on stdin, each flushed before the next is tried."""
    import resource  # noqa: PLC0415 - only the helper needs it
    import signal  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    names = sys.stdin.buffer.read().split(b"\0")[:-1]
    try:
        readable = _demangler()
    except OSError:
        readable = bytes  # every name is its own answer: nothing here can demangle
    answers = sys.stdout.buffer
    for name in names:
        signal.alarm(_SECONDS_PER_NAME)  # its default action ends the process: meant for a name that hangs it
        answer = readable(name)
        answers.write((answer if len(answer) <= _LONGEST_ANSWER else b"") + b"\0")
        answers.flush()


if __name__ == "__main__":
    _serve()

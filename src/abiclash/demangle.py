"""Readable forms of C++ symbol names, made where a hostile name can do no harm.

Names come from strangers, and demanglers recurse and blow up. So `__cxa_demangle` (of the machine's C++ runtime,
through ctypes) runs in a helper process with limits on memory, time per name and length, which may die: then the
name it died of stays raw and another helper goes on with the rest.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from abiclash.helper import Helper, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from ctypes import CDLL

LONGEST = 4096
"""Bytes of the longest name that is tried; the longest of tensorflow's has about 3,000."""

_HELPER = Helper("abiclash.demangle")
_LONGEST_ANSWER = 65536
_SECONDS_PER_NAME = 2
_SECONDS = 60
_MEMORY = 1 << 30
_DEATHS = 8
_KNOWN: dict[bytes, str] = {}
"""What was made of names before, also of those that a helper died of."""
_MOST_KNOWN = 1 << 16
_TOGETHER = 256
"""Names of one question."""
_RUNTIMES = ("libstdc++.so.6", "libc++abi.so.1", "libc++abi.dylib")


def demangle(names: Iterable[bytes]) -> dict[bytes, str]:
    """Return a readable form of each name; the name itself where it has none or could not be demangled."""
    wanted = set(names)
    shown = {name: raw_text(name) for name in wanted}
    coded = [name for name in wanted if name.startswith(b"_Z") and len(name) <= LONGEST and b"\0" not in name]
    left = sorted(name for name in coded if name not in _KNOWN)
    if len(_KNOWN) + len(left) > _MOST_KNOWN:
        _KNOWN.clear()
        left = sorted(coded)
    for name, answer in _answers(left, time.monotonic() + _SECONDS):
        _KNOWN[name] = raw_text(answer or name)
    return shown | {name: _KNOWN[name] for name in coded if name in _KNOWN}


def _answers(names: list[bytes], end: float) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and what the helper makes of them, until it has died or taken too long too often."""
    deaths = 0
    for start in range(0, len(names), _TOGETHER):
        together = names[start : start + _TOGETHER]
        if (answer := _asked(b"\0".join(together), end)) is not None:
            yield from zip(together, answer.split(b"\0"), strict=False)
            continue
        for name in together:  # one of them is to blame, and stays as it is
            if deaths < _DEATHS:
                answer = _asked(name, end)
                deaths += answer is None
                yield name, answer or b""


def _asked(names: bytes, end: float) -> bytes | None:
    left = end - time.monotonic()
    return _HELPER.ask(names, min(_SECONDS_PER_NAME, left)) if left > 0 else None


def raw_text(name: bytes) -> str:
    r"""Return the name as text; bytes that are not UTF-8 are shown as \xNN."""
    return name.decode("utf-8", "backslashreplace")


def _demangler() -> Callable[[bytes], bytes]:
    """Return a function around the C++ runtime's `__cxa_demangle`; b'' where it finds no name in it, or too long a one.

    OSError without a C++ runtime.
    """
    import ctypes  # noqa: PLC0415 - only the helper needs it

    function = _runtime(ctypes.CDLL)["__cxa_demangle"]
    function.restype = ctypes.c_void_p
    function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    free = ctypes.CDLL(None).free
    free.restype, free.argtypes = None, [ctypes.c_void_p]

    def readable(name: bytes) -> bytes:
        place = function(name, None, None, None)
        text = ctypes.string_at(place) if place else b""
        free(place)
        return text if len(text) <= _LONGEST_ANSWER else b""

    return readable


def _runtime(load: Callable[[str], CDLL]) -> CDLL:
    for name in _RUNTIMES:
        with suppress(OSError):
            return load(name)
    raise OSError("no C++ runtime")


def _main() -> None:
    try:
        readable = _demangler()
    except OSError:
        readable = bytes  # every name is its own answer: nothing here can demangle
    serve(lambda names: b"\0".join(map(readable, names.split(b"\0"))), _MEMORY)


if __name__ == "__main__":
    _main()

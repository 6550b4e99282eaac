"""Files that pin or ask for packages: pylock.toml, uv.lock, poetry.lock, a corpus's lock, requirements, our settings.

The first byte of an input says which kind it is.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from abiclash.control.baseline import read_baseline
from abiclash.control.suppressions import read_suppressions
from abiclash.corpus import lock
from abiclash.errors import SourceError, UsageError
from abiclash.sources.lockfiles import read
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.requirements import Requirements
from abiclash.sources.target import LockTarget
from tests.fuzz.target import Target, scratch

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    b"p": "pylock.toml",
    b"u": "uv.lock",
    b"o": "poetry.lock",
    b"c": "corpus.lock.json",
    b"r": "requirements.txt",
    b"s": "abiclash.toml",
    b"b": "baseline.json",
}
RUNTIME = Runtime(Python.parse("3.11"), Platform.parse("manylinux_2_28_x86_64"))
ANSWERS = (SourceError, UsageError)


def run(raw: bytes) -> None:
    name = KINDS.get(raw[:1])
    if name is None:
        return
    path = scratch() / name
    path.write_bytes(raw[1:])
    try:
        _read(path, raw[:1])
    except ANSWERS as error:
        assert str(error).strip()


def _read(path: Path, kind: bytes) -> None:
    match kind:
        case b"p":
            read(LockTarget(path.name, path, "pylock"), RUNTIME)
        case b"u":
            read(LockTarget(path.name, path, "uv"), RUNTIME)
        case b"o":
            read(LockTarget(path.name, path, "poetry"), RUNTIME)
        case b"c":
            found = lock.read(path)
            with contextlib.suppress(*ANSWERS):
                assert lock.parse(lock.render(found)) == found
        case b"r":
            Requirements().read(path)
        case b"s":
            read_suppressions(path, frozenset({"split-state"}))
        case _:
            read_baseline(path)


TARGET = Target("locks", run)

"""The store, when what it wrote has been changed on disk.

An input is a list of edits of 8 bytes: file (1), what to do (1), offset (2), bytes (4). Half of the inputs, those whose
first byte is odd, get a manifest whose checksums are right again: then the readers behind the checksums have to cope.
Parquet files stay whole in half of these: their library may abort. In the others somebody publishes them, and they are
tried in a helper first (facts/tried.py); what that could read must not abort here.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import struct
import warnings
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from abiclash.errors import NotAnalysed, StoreError
from abiclash.facts import tried
from abiclash.facts.elf import read_object
from abiclash.facts.model import WheelFacts, WheelFile
from abiclash.facts.ranges import Ranges
from abiclash.facts.store import Store
from abiclash.facts.stored_names import compact
from tests.facts.compare import differences
from tests.fuzz.target import Target, kept, scratch

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.names_table import NameTable

SHA = "ab" * 32
DOCUMENT = b"[1, 2, 3]" * 20
_EDIT = struct.Struct("<BBH4s")


@cache
def _written() -> tuple[WheelFacts, NameTable, dict[Path, bytes]]:
    """Write an entry and a document; return what they hold and their files."""
    largest = max(kept("elf"), key=lambda raw: (raw[:4] == b"\x7fELF", len(raw)))
    facts, table = read_object(Ranges.whole(largest), "demo/_native.so")
    wheel = WheelFacts(
        name="demo", version="1.0", filename="demo-1.0-cp311-cp311-linux_x86_64.whl", sha256=SHA, tags=("cp311",),
        root_is_purelib=False, requires=("numpy",), requires_python=None, modules=("demo",),
        files=(WheelFile("demo/_native.so", len(largest), ""),), objects=(replace(facts, path="demo/_native.so"),),
        not_analysed=(NotAnalysed("demo", "reason"),),
    )  # fmt: skip
    root = _root()
    Store(root).put(wheel, compact(table))
    Store(root).put_document("plans", SHA, DOCUMENT)
    return wheel, table, {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _root() -> Path:
    return scratch() / "store"


def run(raw: bytes) -> None:
    kind = raw[0] % 4 if raw else 0
    _, _, files = _written()
    changed = _edited(files, raw[1:])
    if kind == 1:
        changed |= {path: content for path, content in files.items() if path.suffix == ".parquet"}
    if kind in (1, 3):
        _forge(changed)
    if kind == 3:
        _take(changed)
    else:
        _read(changed, honest=kind != 1)
    _check_memory()


def _read(changed: dict[Path, bytes], *, honest: bool) -> None:
    wheel, table, files = _written()
    different = {path: content for path, content in changed.items() if files[path] != content}
    for path, content in different.items():
        path.write_bytes(content)
    found, document = _ask(Store(_root()))
    if honest:
        assert found is None or not differences((found.objects[0], table), (wheel.objects[0], table))
        assert document in (None, DOCUMENT)
    for path in different:
        path.write_bytes(files[path])


def _take(changed: dict[Path, bytes]) -> None:
    """Read what somebody publishes, into an empty store."""
    mine = scratch() / "mine"
    published = Published({str(path.relative_to(_root())): changed[path] for path in changed})
    with patch.object(tried, "_HELPER", FORKED):
        _ask(Store(mine, upstream=published))
    shutil.rmtree(mine, ignore_errors=True)


def _ask(store: Store) -> tuple[WheelFacts | None, bytes | None]:
    _, table, _ = _written()
    found, document = store.get(SHA), store.get_document("plans", SHA)
    with contextlib.suppress(StoreError):
        store.names(SHA, np.append(table.key[:3], np.uint64(7)))
    return found, document


class Forked:
    """Tries files in a fork of this process: as isolated as the helper, and cheaper to lose (tests/house has that)."""

    def __init__(self) -> None:
        self._child, self._questions, self._answers = 0, -1, -1

    def ask(self, question: bytes, seconds: float) -> bytes | None:
        if question in _written()[2].values():
            return tried._YES
        if not self._child:
            self._fork(int(seconds))
        os.write(self._questions, _LENGTH.pack(len(question)) + question)  # small enough for the pipe to hold it
        answer = os.read(self._answers, 1)
        if not answer:
            os.waitpid(self._child, 0)
            os.close(self._questions)
            os.close(self._answers)
            self._child = 0
        return tried._YES if answer == b"y" else None

    def _fork(self, seconds: int) -> None:
        (questions, self._questions), (self._answers, answers) = os.pipe(), os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: other threads are not copied
            self._child = os.fork()
        if not self._child:
            os.close(self._questions)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for number in (signal.SIGALRM, signal.SIGABRT, signal.SIGSEGV):  # libFuzzer's are not for this process
                signal.signal(number, signal.SIG_DFL)
            while head := os.read(questions, _LENGTH.size):
                signal.alarm(min(seconds, 15))
                os.write(answers, b"y" if tried._try(os.read(questions, *_LENGTH.unpack(head))) else b"n")
            os._exit(0)
        os.close(questions)
        os.close(answers)


FORKED = Forked()
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Published:
    """Facts of somebody, in memory."""

    files: dict[str, bytes]

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)


def _edited(files: dict[Path, bytes], edits: bytes) -> dict[Path, bytes]:
    changed, paths = dict(files), list(files)
    for number, do, offset, new in _EDIT.iter_unpack(edits[: len(edits) // _EDIT.size * _EDIT.size]):
        path = paths[number % len(paths)]
        content = changed[path]
        at = offset % (len(content) + 1)
        length = do // 4 % 4 + 1
        match do % 4:
            case 0:
                content = content[:at] + new[:length] + content[at + length :]
            case 1:
                content = content[:at]
            case 2:
                content = content[:at] + new[:length] + content[at:]
            case _:
                content = content[:at] + content[at + length :]
        changed[path] = content
    return changed


def _forge(files: dict[Path, bytes]) -> None:
    """Make the manifest fit the changed files."""
    manifest = next(path for path in files if path.name == "manifest.json")
    others = {path: content for path, content in files.items() if path.parent == manifest.parent and path != manifest}
    sums = {path.name: [len(content), zlib.crc32(content)] for path, content in others.items()}
    files[manifest] = json.dumps(sums).encode()


def _check_memory() -> None:
    """Nothing may fill the file system in memory."""
    assert shutil.disk_usage(scratch()).free > 1 << 20


TARGET = Target("store", run, 1 + 8 * 5)

"""What a fuzz target is, and the two ways to drive one: atheris (see __main__) and plain mutation of kept inputs."""

from __future__ import annotations

import io
import os
import random
import tempfile
import zipfile
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CORPUS = Path(__file__).parent / "corpus"
"""One zip file for each target: its seeds and the inputs that reach most of the code, small enough to be kept."""

NAMES = ("elf", "elf_reference", "wheel", "source", "locks", "manifest", "store", "demangle", "triage", "profile")

_HOSTILE = (b"\0", b"\xff", b"\xff" * 4, b"\xff" * 8, b"\x7f", b"\x80", b"\0\0\0\x80", b"..", b"/", b"\n", b'"', b"[")


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that reads what strangers wrote.

    run: takes any bytes; what it raises is a bug. longest: bytes of an input worth trying.
    """

    name: str
    run: Callable[[bytes], None]
    longest: int = 4096


def load(name: str) -> Target:
    """Return a target by its name."""
    target: Target = import_module(f"tests.fuzz.fuzz_{name}").TARGET
    return target


def kept(name: str) -> list[bytes]:
    """Return the kept inputs of a target, in a fixed order."""
    with zipfile.ZipFile(CORPUS / f"{name}.zip") as archive:
        return [archive.read(member) for member in sorted(archive.namelist())]


def keep(name: str, inputs: Sequence[bytes]) -> None:
    """Write the kept inputs of a target, the same bytes for the same inputs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, content in enumerate(sorted(set(inputs), key=lambda one: (len(one), one))):
            entry = zipfile.ZipInfo(f"{number:04}", (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    CORPUS.mkdir(exist_ok=True)
    (CORPUS / f"{name}.zip").write_bytes(buffer.getvalue())


def mutations(inputs: Sequence[bytes], count: int, seed: int, longest: int) -> Iterator[bytes]:
    """Yield `count` changed inputs, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    for _ in range(count):
        raw = bytearray(chance.choice(inputs))
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            _mutate(raw, inputs, chance)
        yield bytes(raw[:longest])


def _mutate(raw: bytearray, inputs: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(raw) + 1)
    match chance.randrange(6):
        case 0 if at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
        case 1:
            piece = chance.choice(_HOSTILE)
            raw[at : at + len(piece)] = piece
        case 2:
            raw[at:at] = chance.choice(_HOSTILE)
        case 3:
            del raw[at : at + chance.choice((1, 4, 16, 256))]
        case 4:
            other = chance.choice(inputs)
            start = chance.randrange(len(other) + 1)
            raw[at:at] = other[start : start + chance.choice((4, 16, 64))]
        case _:
            raw[at:at] = raw[at : at + chance.choice((4, 16, 64))] * chance.choice((1, 2, 50))


@cache
def scratch() -> Path:
    """Return a folder of this process, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    folder = tempfile.TemporaryDirectory(prefix="abiclash-fuzz-", dir=memory if os.access(memory, os.W_OK) else None)
    _FOLDERS.append(folder)
    return Path(folder.name)


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Removed when the process ends."""

"""Both readers agree on real wheels of every machine that manylinux knows, both classes and both byte orders."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from abiclash.facts.elf import read_object
from abiclash.facts.layout import HEAD, wanted
from abiclash.facts.ranges import Ranges
from abiclash.facts.reference import read_reference
from tests.facts.compare import differences

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Wheelhouse

pytestmark = pytest.mark.index


def check(wheel: Path, limit: int) -> int:
    """Compare the readers on each ELF member of at most `limit` bytes, read as a stream would keep it."""
    checked = 0
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            raw = archive.read(member)
            if raw[:4] != b"\x7fELF" or len(raw) > limit:
                continue
            kept = [(offset, raw[offset : offset + length]) for offset, length in wanted(raw[:HEAD], len(raw))]
            fast = read_object(Ranges(len(raw), kept), member.filename)
            assert differences(fast, read_reference(raw, member.filename)) == [], member.filename
            checked += 1
    return checked


@pytest.mark.parametrize(
    ("machine", "bits", "little"),
    [
        ("x86_64", 64, True),
        ("i686", 32, True),
        ("aarch64", 64, True),
        ("armv7l", 32, True),
        ("ppc64le", 64, True),
        ("s390x", 64, False),
        ("riscv64", 64, True),
    ],
)
def test_machines(wheelhouse: Wheelhouse, machine: str, bits: int, *, little: bool) -> None:
    wheel = wheelhouse("rpds-py==0.30.0", machine=machine)
    assert check(wheel, limit=4 << 20) == 1
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".so"))
        facts, _ = read_object(Ranges.whole(archive.read(name)), name)
    assert (facts.bits, facts.little) == (bits, little)
    assert facts.tls is not None
    assert len(facts.references.symbol) > 100


@pytest.mark.parametrize(
    ("requirement", "python", "atleast"),
    [("numpy==1.17.0", "3.7", 15), ("shapely==2.0.4", "3.11", 4), ("lxml==5.2.1", "3.11", 5)],
)
def test_repaired_wheels(wheelhouse: Wheelhouse, requirement: str, python: str, atleast: int) -> None:
    """Libraries that patchelf has rewritten, from old and new compilers."""
    assert check(wheelhouse(requirement, python=python), limit=3 << 20) >= atleast

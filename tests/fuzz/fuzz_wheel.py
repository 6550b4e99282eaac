"""Wheels: any bytes as a zip file, and well-formed zip files of any members, metadata and ELF among them.

An input that does not begin with PK is a list of members, each `name LF content` up to the next 0xFE byte.
"""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed, WheelError
from abiclash.facts.archive import SourceArchive
from abiclash.facts.arena import Arena
from abiclash.facts.document import wheel_document
from abiclash.facts.wheel import Wheel
from tests.fuzz.target import Target, scratch

if TYPE_CHECKING:
    from pathlib import Path


def run(raw: bytes) -> None:
    path = scratch() / "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    path.write_bytes(raw if raw.startswith(b"PK") else zipped(raw))
    try:
        _read(path)
        _read_source(path)
    except WheelError as error:
        assert path.name in str(error)


def zipped(raw: bytes) -> bytes:
    """Return the zip file that an input describes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(buffer, "w") as archive:
        for part in raw.split(b"\xfe"):
            name, _, content = part.partition(b"\n")
            archive.writestr(zipfile.ZipInfo(name.decode("utf-8", "replace")), content)
    return buffer.getvalue()


def _read(path: Path) -> None:
    wheel = Wheel(path)
    try:
        read = [wheel.read(member, Arena()) for member in wheel.objects]
        failures = [one for one in read if isinstance(one, NotAnalysed)]
        facts = wheel.facts("0" * 64, [one[0] for one in read if not isinstance(one, NotAnalysed)], failures)
    finally:
        wheel.close()
    assert not [one for one in facts.not_analysed if "unexpected fault" in one.reason], facts.not_analysed
    wheel_document(facts)


def _read_source(path: Path) -> None:
    with SourceArchive(path) as source:
        for name in source.files()[:5]:
            try:
                source.read(name)
            except WheelError as error:
                assert path.name in str(error)


TARGET = Target("wheel", run, 16384)

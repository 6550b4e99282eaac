"""Host profiles: any bytes as the file, and files whose members are any bytes.

An input that does not begin with PK is `profile.json 0xFE group-0 0xFE stdlib.json`, to be zipped.
"""

from __future__ import annotations

import contextlib
import io
import zipfile

from abiclash.errors import SourceError
from abiclash.sources.profile_file import ProfileFile
from abiclash.sources.profiles import load_profile, summary
from tests.fuzz.target import Target, scratch

MEMBERS = ("profile.json", "group-0", "stdlib.json")


def run(raw: bytes) -> None:
    path = scratch() / "mine.profile"
    path.write_bytes(raw if raw.startswith(b"PK") else zipped(raw))
    with contextlib.suppress(SourceError):
        summary(path, "x86_64")
    with contextlib.suppress(SourceError):
        load_profile(path, "3.11")
    try:
        file = ProfileFile(path)
    except SourceError as error:
        assert path.name in str(error)
        return
    for number in range(min(len(file), 3)):
        with contextlib.suppress(SourceError):
            file.needed(number)
        with contextlib.suppress(SourceError):
            file.object(number)


def zipped(raw: bytes) -> bytes:
    """Return the profile that an input describes."""
    buffer = io.BytesIO()
    parts = raw.split(b"\xfe", len(MEMBERS) - 1)
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in zip(MEMBERS, parts, strict=False):
            archive.writestr(name, content)
    return buffer.getvalue()


TARGET = Target("profile", run, 8192)

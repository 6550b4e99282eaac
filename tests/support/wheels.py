"""Wheels made of text, for tests that need a wheel and not a real one."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EPOCH = (2000, 1, 1, 0, 0, 0)


def make_wheel(
    folder: Path,
    files: Mapping[str, str | bytes | Path],
    *,
    name: str = "demo",
    version: str = "1.0",
    tag: str = "cp311-cp311-manylinux_2_17_x86_64",
    requires: Sequence[str] = (),
    record: str | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """Write `folder/{name}-{version}-{tag}.whl` with `files` and proper metadata, the same bytes each time.

    files: member name -> its text, bytes, or the file to copy. record: text of RECORD, to make it lie.
    """
    info = f"{name}-{version}.dist-info"
    members = {member: _content(content) for member, content in files.items()}
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    members[f"{info}/METADATA"] = ("\n".join(metadata) + "\n").encode()
    members[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: tests\n"
        f"Root-Is-Purelib: {'true' if tag.endswith('-any') else 'false'}\nTag: {tag}\n"
    ).encode()
    lines = [f"{member},sha256={_digest(content)},{len(content)}" for member, content in members.items()]
    listing = "\n".join([*lines, f"{info}/RECORD,,\n"]) if record is None else record
    members[f"{info}/RECORD"] = listing.encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            entry = zipfile.ZipInfo(member, _EPOCH)
            entry.compress_type = compression
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return path


def _content(content: str | bytes | Path) -> bytes:
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

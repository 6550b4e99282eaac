"""The sha256 of a file, computed once for as long as the file does not change."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from abiclash.errors import FactsError
from abiclash.facts.limits import Limits, over
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.facts.store import Store

_KIND = "hashes-1"
_SETTLED_NS = 2_000_000_000  # a younger file may change again without a change of its time stamp


def content_hash(path: Path, store: Store) -> str:
    """Return the hex sha256 of a file, known again by device, inode, size and time. Raises FactsError."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            state = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
            known = store.get_document(_KIND, str(path.absolute()))
            if known is not None and (recorded := _recorded(known)).get("state") == state:
                return str(recorded["sha256"])
            if status.st_size > (most := Limits.load().file):
                raise FactsError(f"{path}: it has {status.st_size} bytes, {over('file', most)}")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FactsError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    if status.st_mtime_ns < time.time_ns() - _SETTLED_NS:
        record = json.dumps({"state": state, "sha256": digest})
        store.put_document(_KIND, str(path.absolute()), record.encode())
    return digest


def _recorded(known: bytes) -> dict[str, Any]:
    """Return what was kept of a file; nothing where it has another form."""
    try:
        found = read_json(known)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "sha256" in found else {}

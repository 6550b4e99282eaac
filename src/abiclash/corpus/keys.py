"""Content keys: what a result depends on, as one hash. Equal inputs have equal keys, on every machine."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash import __version__
from abiclash.facts.model import SCHEMA
from abiclash.imports.plan_document import PLAN
from abiclash.imports.source import DIGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

_ROOMS = ("facts", "imports", "linker", "rules", "sources")


def key(*parts: object) -> str:
    """Return the hex sha256 of JSON values."""
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def number(*parts: str) -> int:
    """Return a 64-bit key of some texts, as the columns of signatures have them; never 0."""
    data = "\0".join(parts).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") or 1


def bytes_number(*parts: bytes) -> int:
    """Return a 64-bit key of some bytes; never 0."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little") or 1


@cache
def engine() -> str:
    """Return a hash of everything that decides what a simulation says: versions, and the code of the rooms it uses."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(json.dumps([__version__, SCHEMA, PLAN, DIGEST]).encode())
    for path in sorted(_sources(root)):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(root: Path) -> Iterable[Path]:
    yield from root.glob("*.py")
    for room in _ROOMS:
        yield from (root / room).glob("*.py")
    yield from (root / "corpus" / name for name in ("signature.py", "survey.py", "pairs.py", "environment.py"))

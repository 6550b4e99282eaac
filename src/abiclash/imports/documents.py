"""Digests of Python source, kept between scans: one document for each wheel (or environment's package).

A document is a JSON index on its first line, then the digests as JSON texts, so that a scan decodes only the modules
that an import reaches, and the functions of only those modules whose functions it calls.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from abiclash.imports.source import DIGEST, ModuleSource

if TYPE_CHECKING:
    from abiclash.imports.files import Stamp

KIND = f"imports-{DIGEST}"


class SourceCache(Protocol):
    """Where documents are kept; `facts.store.Store` is one."""

    def get_document(self, kind: str, key: str) -> bytes | None:
        """Return a document, or None where there is none."""

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        """Keep a document, atomically, in place of an older one."""


class NoCache:
    """Keeps nothing."""

    def get_document(self, kind: str, key: str) -> bytes | None:  # noqa: ARG002 - the interface
        return None

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        pass


@dataclass(slots=True)
class _Document:
    index: dict[str, tuple[str, int, int, int]]  # member -> (state, offset, bytes of head, bytes of functions)
    data: bytes
    added: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # member -> (state, head, functions)


@dataclass(slots=True)
class Digests:
    """The documents that one plan uses."""

    cache: SourceCache = field(default_factory=NoCache)
    _open: dict[str, _Document] = field(default_factory=dict)

    def get(self, stamp: Stamp) -> ModuleSource | None:
        """Return the digest of a file, or None where it is unknown or stale."""
        document = self._document(stamp.document)
        if (added := document.added.get(stamp.member)) is not None and added[0] == stamp.state:
            return ModuleSource.load(added[1], added[2])
        entry = document.index.get(stamp.member)
        if entry is None or entry[0] != stamp.state:
            return None
        _, offset, head, functions = entry
        middle = offset + head
        return ModuleSource.load(document.data[offset:middle], document.data[middle : middle + functions].decode())

    def put(self, stamp: Stamp, source: ModuleSource) -> None:
        """Add a digest; `flush` keeps it."""
        self._document(stamp.document).added[stamp.member] = (stamp.state, *source.dump())

    def flush(self) -> None:
        """Hand all documents that grew to the cache."""
        for key, document in sorted(self._open.items()):
            if document.added:
                _take_in(document, _parse(self.cache.get_document(KIND, key)))
                data = _merge(document)
                self.cache.put_document(KIND, key, data)
                self._open[key] = _parse(data)

    def _document(self, key: str) -> _Document:
        document = self._open.get(key)
        if document is None:
            document = self._open[key] = _parse(self.cache.get_document(KIND, key))
        return document


def _take_in(document: _Document, latest: _Document) -> None:
    """Add what another process has kept since a document was opened: it must not be lost."""
    for member, (state, offset, head, functions) in latest.index.items():
        if member not in document.index and member not in document.added:
            text = latest.data[offset : offset + head + functions]
            document.added[member] = (
                state,
                text[:head].decode("utf-8", "surrogatepass"),
                text[head:].decode("utf-8", "surrogatepass"),
            )


def _parse(data: bytes | None) -> _Document:
    """Return a document; one that is damaged counts as empty, because it can be made again."""
    if data is None:
        return _Document({}, b"")
    head, _, body = data.partition(b"\n")
    try:
        index = {name: _row(entry) for name, entry in dict(json.loads(head)).items()}
    except (ValueError, TypeError):
        return _Document({}, b"")
    return _Document(index, body)


def _row(entry: list[object]) -> tuple[str, int, int, int]:
    """Return a row of the index. Raises ValueError, TypeError."""
    state, offset, head, functions = entry
    if isinstance(state, str) and isinstance(offset, int) and isinstance(head, int) and isinstance(functions, int):
        return state, offset, head, functions
    raise ValueError("not a row of the index")


def _merge(document: _Document) -> bytes:
    parts: list[bytes] = []
    index: dict[str, tuple[str, int, int, int]] = {}
    position = 0
    for member in sorted({*document.index, *document.added}):
        if member in document.added:
            state, *texts = document.added[member]
            head, functions = (text.encode("utf-8", "surrogatepass") for text in texts)
        else:
            state, offset, head_size, size = document.index[member]
            head = document.data[offset : offset + head_size]
            functions = document.data[offset + head_size : offset + head_size + size]
        index[member] = (state, position, len(head), len(functions))
        parts += [head, functions]
        position += len(head) + len(functions)
    return json.dumps(index, separators=(",", ":")).encode() + b"\n" + b"".join(parts)

"""The store: facts on disk, keyed by content hash and schema, written once and never believed when damaged.

<root>/facts-<schema>/wheels/<2 digits>/<sha256>/     one entry (see `entry`), complete with its manifest.json
<root>/facts-<schema>/documents/<kind>/<2 digits>/<sha256>.gz     what other rooms keep, usually about the same file

An entry is written into a folder of its own and renamed as a whole: readers see all of it or nothing, whenever a writer
is killed. There is no fsync: what a power failure tears, the checksums of the manifest reveal, and it is indexed again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isal import isal_zlib

from abiclash.errors import NotAnalysed, StoreError
from abiclash.facts.entry import decode, encode, pack, unpack
from abiclash.facts.limits import Limits
from abiclash.facts.model import SCHEMA, WheelFacts
from abiclash.facts.stored_names import find_names, name_column, name_files
from abiclash.facts.tried import readable
from abiclash.parsing import read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from abiclash.facts.stored_names import Names

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_FILE = re.compile(r"[a-z0-9-]{1,40}(?:[.][a-z0-9]{1,10}){1,2}")
_SHA256 = re.compile("[0-9a-f]{64}")
_ABANDONED = 3600.0  # seconds after which a temporary folder belongs to a writer that was killed


def default_root() -> Path:
    """Return $ABICLASH_CACHE, or abiclash in the user's cache folder (XDG Base Directory Specification)."""
    own = os.environ.get("ABICLASH_CACHE")
    if own:
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "abiclash"


class Upstream(Protocol):
    """Facts that somebody published, laid out as a store's folder is."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a file, None where there is none."""


class Store:
    """Facts of wheels. Safe for several threads and processes at once.

    upstream: where to look for what is not here; what is found there is kept here, once its checksums are right.

    A store that cannot be written (read-only, full, forbidden) keeps what it is given in memory and says so once, in
    the log and in `problem`; so a scan goes on.
    """

    def __init__(self, root: Path | None = None, schema: int = SCHEMA, upstream: Upstream | None = None) -> None:
        self.root = root or default_root()
        self.upstream = upstream
        self.problem: StoreError | None = None
        self._base = self.root / f"facts-{schema}{Limits.load().key}"
        self._unwritten: dict[str, dict[str, bytes]] = {}
        self._unwritten_documents: dict[Path, bytes] = {}
        self._swept = False

    @property
    def not_kept(self) -> list[NotAnalysed]:
        """Tell, once, that nothing of this run can be stored, where that is so."""
        if self.problem is None:
            return []
        return [NotAnalysed(str(self.root), str(self.problem).removeprefix(f"{self.root}: "))]

    def get(self, sha256: str) -> WheelFacts | None:
        """Return the facts of a wheel, or None when they are not known (or not readable any more)."""
        read = self._reader(sha256)
        if read is None:
            return None
        try:
            return decode(read)
        except ValueError as error:
            _LOG.info("entry %s is damaged and will be made again: %s", sha256, error)
            return None

    def put(self, facts: WheelFacts, names: Sequence[Names]) -> None:
        """Keep the facts of a wheel and the names of its symbols."""
        self._save(facts.sha256, {**encode(facts), **name_files(names)})

    def names(self, sha256: str, keys: NDArray[np.uint64]) -> dict[int, bytes]:
        """Return the symbol names of a wheel by their keys; unknown keys are left out.

        Raises StoreError when the entry is not there or is damaged.
        """
        names: dict[int, bytes] = self._named(sha256, find_names, keys)
        return names

    def name_column(self, sha256: str, keys: NDArray[np.uint64]) -> Any:
        """Return the names of keys, row by row, as an Arrow binary array with nulls; raises as `names` does."""
        return self._named(sha256, name_column, keys)

    def get_document(self, kind: str, key: str) -> bytes | None:
        """Return what another room keeps under a key, or None when there is nothing, or only something damaged."""
        path = self._document(kind, key)
        content = self._unwritten_documents.get(path)
        try:
            return unpack(path.read_bytes() if content is None else content)
        except (OSError, ValueError):
            return self._take_document(kind, key, path)

    def published(self, sha256: str) -> list[Path]:
        """Return the files that hold what is known of a wheel, to be published; sorted."""
        documents = self._base.glob(f"documents/*/{sha256[:2]}/{sha256}.gz")
        return sorted([*self._entry(sha256).glob("*"), *documents])

    def put_document(self, kind: str, key: str, data: bytes) -> None:
        """Keep a document in place of an older one of the same kind and key. kind: a short name with its version.

        key: usually the sha256 of what the document is about; anything else is hashed.
        """
        content = pack(data)
        path = self._document(kind, key)
        try:
            with self._temporary() as folder:
                fresh = folder / "document"
                fresh.write_bytes(content)
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh.replace(path)
            self._unwritten_documents.pop(path, None)
        except OSError as error:
            self._unwritable(error)
            self._unwritten_documents[path] = content

    def _named(self, sha256: str, find: Callable[..., Any], keys: NDArray[np.uint64]) -> Any:
        read = self._reader(sha256)
        try:
            if read is not None:
                return find(read, keys)
        except (ValueError, KeyError) as error:
            raise StoreError(f"{self.root}: the names of {sha256} are damaged ({error}); index it again") from error
        raise StoreError(f"{self.root}: nothing is known of {sha256}; index it first")

    def _reader(self, sha256: str) -> Callable[[str], bytes] | None:
        """Return a function that gives the verified content of an entry's file; None when there is no such entry."""
        unwritten = self._unwritten.get(sha256)
        if unwritten is not None:
            return unwritten.__getitem__
        folder = self._entry(sha256)
        try:
            manifest = read_json((folder / _MANIFEST).read_bytes())
        except (OSError, ValueError):
            return self._take(sha256)

        def read(name: str) -> bytes:
            try:
                size, crc = manifest[name]
                content = (folder / name).read_bytes()
            except (KeyError, TypeError, ValueError, OSError) as error:
                raise ValueError(f"{name} is missing ({error!r})") from error
            if len(content) != size or isal_zlib.crc32(content) != crc:
                raise ValueError(f"{name} is not what was written")
            return content

        return read

    def _take(self, sha256: str) -> Callable[[str], bytes] | None:
        """Keep an entry that upstream has; return its reader, or None where there is none or a damaged one."""
        if self.upstream is None:
            return None
        place = self._entry(sha256).relative_to(self.root).as_posix()
        files: dict[str, bytes] = {}
        try:
            manifest = read_json(self.upstream.read(f"{place}/{_MANIFEST}") or b"")
            for name, (size, crc) in manifest.items():
                content = self.upstream.read(f"{place}/{name}") if _FILE.fullmatch(name) else None
                if content is None or len(content) != size or isal_zlib.crc32(content) != crc:
                    return None
                files[name] = content
        except (ValueError, TypeError, AttributeError):
            return None
        if not readable(content for name, content in files.items() if name.endswith(".parquet")):
            return None
        self._save(sha256, {name: partial(files.__getitem__, name) for name in files})
        return files.__getitem__

    def _take_document(self, kind: str, key: str, path: Path) -> bytes | None:
        if self.upstream is None:
            return None
        content = self.upstream.read(path.relative_to(self.root).as_posix())
        try:
            data = None if content is None else unpack(content)
        except ValueError:
            return None
        if data is not None:
            self.put_document(kind, key, data)
        return data

    def _save(self, sha256: str, files: dict[str, Callable[[], bytes]]) -> None:
        try:
            with self._temporary() as folder:
                manifest = {}
                for name, make in files.items():
                    content = make()
                    (folder / name).write_bytes(content)
                    manifest[name] = (len(content), isal_zlib.crc32(content))
                    del content
                (folder / _MANIFEST).write_text(json.dumps(manifest))
                self._publish(folder, sha256)
        except OSError as error:
            self._unwritable(error)
            self._unwritten[sha256] = {name: make() for name, make in files.items()}

    def _publish(self, folder: Path, sha256: str) -> None:
        """Rename a complete entry into place; of two writers the first wins, unless what it left is damaged."""
        target = self._entry(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(5):
            try:
                folder.rename(target)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            else:
                return
            if self._intact(sha256):
                return
            with self._temporary() as trash:
                target.rename(trash / "damaged")
        raise OSError(errno.EBUSY, "other writers replace the same entry all the time")

    def _intact(self, sha256: str) -> bool:
        read = self._reader(sha256)
        if read is None:
            return False
        try:
            decode(read)
            for name in read_json((self._entry(sha256) / _MANIFEST).read_bytes()):
                read(name)
        except (ValueError, OSError):
            return False
        return True

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """Make a folder beside the entries, on their file system, and remove it if it was not renamed meanwhile."""
        parent = self._base / "tmp"
        parent.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(parent)
        folder = parent / f"{os.getpid()}-{secrets.token_hex(8)}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _entry(self, sha256: str) -> Path:
        return self._base / "wheels" / sha256[:2] / sha256

    def _document(self, kind: str, key: str) -> Path:
        digest = key if _SHA256.fullmatch(key) else hashlib.sha256(os.fsencode(key)).hexdigest()
        return self._base / "documents" / kind / digest[:2] / f"{digest}.gz"

    def _unwritable(self, error: OSError) -> None:
        if self.problem is None:
            self.problem = StoreError(
                f"{self.root}: the cache cannot be written ({error.strerror}); facts of this run stay in memory only"
                " (set ABICLASH_CACHE to another folder to keep them)"
            )
            _LOG.warning("%s", self.problem)


def _sweep(parent: Path) -> None:
    """Remove what killed writers left."""
    for one in parent.iterdir():
        try:
            if one.stat().st_mtime < time.time() - _ABANDONED:
                shutil.rmtree(one, ignore_errors=True)
        except OSError:  # its writer lives, and has just renamed it
            continue

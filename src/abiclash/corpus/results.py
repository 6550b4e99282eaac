"""Where results are kept: a folder, or object storage through fsspec; each is there as a whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from abiclash.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_SCRATCH = "tmp"
"""Folder of contents that are not renamed into place yet, on the same file system."""


class Results(Protocol):
    """Contents by relative path."""

    def get(self, path: str) -> bytes | None:
        """Return what is kept, or None."""

    def put(self, path: str, content: bytes) -> None:
        """Keep content: readers see all of it or nothing. Raises StoreError."""

    def has(self, path: str) -> bool: ...

    def under(self, folder: str) -> list[str]:
        """Return the paths in a folder, sorted."""

    def address(self, path: str) -> str:
        """Return what DuckDB opens."""


class FolderResults:
    """Results in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except OSError:
            return None

    def put(self, path: str, content: bytes) -> None:
        target = self.root / path
        scratch = self.root / _SCRATCH / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            scratch.parent.mkdir(parents=True, exist_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                scratch.write_bytes(content)
                scratch.replace(target)
            finally:
                scratch.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{target}: cannot be written: {error.strerror}; free space and run it again: it goes on where it was"
            ) from error

    def has(self, path: str) -> bool:
        return (self.root / path).is_file()

    def under(self, folder: str) -> list[str]:
        place = self.root / folder
        return sorted(path.relative_to(self.root).as_posix() for path in place.rglob("*") if path.is_file())

    def address(self, path: str) -> str:
        return str(self.root / path)


class RemoteResults:
    """Results below an fsspec URL (s3://, gs://, file:// ...); a whole object appears at once there."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise UsageError(f"{url}: needs fsspec; install abiclash[cluster]") from error
        self._url = url.rstrip("/")
        self._files: Any
        self._files, self._root = fsspec.core.url_to_fs(self._url)

    def get(self, path: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"{self._root}/{path}"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._url}/{path}: cannot be read: {error}; check the address and access") from error

    def put(self, path: str, content: bytes) -> None:
        scratch = f"{self._root}/{_SCRATCH}/{secrets.token_hex(8)}"
        target = f"{self._root}/{path}"
        try:
            for name in (scratch, target):
                self._files.makedirs(name.rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(scratch, content)
            self._files.mv(scratch, target)
        except OSError as error:
            raise StoreError(f"{self._url}/{path}: cannot be written: {error}; check the address and access") from error

    def has(self, path: str) -> bool:
        return bool(self._files.exists(f"{self._root}/{path}"))

    def under(self, folder: str) -> list[str]:
        found: Iterable[str] = self._files.find(f"{self._root}/{folder}")
        return sorted(_relative(found, self._root))

    def address(self, path: str) -> str:
        return f"{self._url}/{path}"


def _relative(paths: Iterable[str], root: str) -> Iterator[str]:
    inside = root.strip("/") + "/"
    for path in paths:
        yield path.strip("/").removeprefix(inside)


def open_results(where: str) -> Results:
    """Return the results at a path or an fsspec URL."""
    return RemoteResults(where) if "://" in where else FolderResults(Path(where))

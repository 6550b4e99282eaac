"""Wheels on disk: each downloaded once, into <cache>/wheels/<sha256>/<filename>."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Self

from abiclash.errors import NotAnalysed, SourceError, StoreError
from abiclash.progress import Silent
from abiclash.sources.uvconfig import IndexSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import httpx

    from abiclash.progress import Progress, Task
    from abiclash.sources.resolution import Package

_AT_ONCE = 4


@dataclass
class Fetcher:
    """Gets wheels; close it in the end (it is a context manager).

    cache: abiclash's cache folder. offline: take only what is there.
    """

    cache: Path
    settings: IndexSettings = field(default_factory=IndexSettings.load)
    offline: bool = False
    _lock: Lock = field(default_factory=Lock, repr=False)
    _stopped: Event = field(default_factory=Event, repr=False)
    _client: httpx.Client | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def kept(self, package: Package) -> Path | None:
        """Return the file of a package that is on this machine already, or None."""
        if package.path is not None:
            return package.path if package.path.is_file() else None
        if package.sha256 is None:
            return None
        path = self._place(package, package.sha256)
        return path if path.is_file() else None

    def fetch(self, package: Package, task: Task | None = None) -> Path:
        """Return the file of a package, downloaded if it must be. task: told of bytes.

        Local files are used where they are. Raises SourceError where the file cannot be had, StoreError where the
        cache cannot be written: what, why, and what to do.
        """
        found = self.kept(package)
        if found is not None:
            return found
        if package.url is None:
            raise SourceError(f"{package.filename}: {package.path} is not there; check the path, or use --refresh")
        if self.offline:
            raise SourceError(f"{package.filename}: not in the cache, and the network is off; scan without --offline")
        try:
            return self._download(package, package.url, task or Silent())
        except OSError as error:
            raise StoreError(
                f"{self.cache}: cannot be written: {error.strerror}; free space or name another cache folder in"
                " ABICLASH_CACHE"
            ) from error

    def fetch_all(self, packages: Sequence[Package], progress: Progress | None = None) -> list[Path | NotAnalysed]:
        """Return the files of packages, in their order; four downloads run at once.

        A file that cannot be had costs only itself. Raises StoreError where the cache cannot be written.
        """
        sizes = [package.size for package in packages]
        total = sum(size or 0 for size in sizes) if all(sizes) else None
        with (progress or Silent()).task("downloading", total, "bytes") as task, ThreadPoolExecutor(_AT_ONCE) as pool:
            waiting = [pool.submit(self._result, package, task) for package in packages]
            try:
                return [future.result() for future in waiting]
            except BaseException:  # Ctrl-C, too: leaving the block waits for the threads
                self._stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _result(self, package: Package, task: Task) -> Path | NotAnalysed:
        try:
            return self.fetch(package, task)
        except SourceError as error:
            return NotAnalysed(package.filename, str(error).removeprefix(f"{package.filename}: "))

    def _download(self, package: Package, url: str, task: Task) -> Path:
        """Download into a part file that is locked, so that of two processes one downloads and one waits."""
        from abiclash.sources.download import Download  # noqa: PLC0415 - httpx, which a scan of known wheels does without

        key = package.sha256 or hashlib.sha256(url.encode()).hexdigest()
        parts = self.cache / "wheels" / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        with _locked(parts / f"{key[:2]}.lock") as alone:
            found = self.kept(package)
            if found is not None:
                return found
            part = parts / (f"{key}.part" if alone else f"{key}.{os.getpid()}.part")
            client = self._connected()

            def advance(amount: int) -> None:
                if self._stopped.is_set():
                    raise SourceError(f"{package.filename}: the download was stopped")
                task.advance(amount)

            download = Download(client, url, package.filename, part, package.sha256, package.size, advance)
            place = self._place(package, download.run())
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)
        return place

    def _place(self, package: Package, sha256: str) -> Path:
        return self.cache / "wheels" / sha256 / package.filename

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                from abiclash.sources.network import open_client  # noqa: PLC0415 - as above

                self._client = open_client(self.settings)
            return self._client


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock that the system takes back from a process that is killed; yield whether there is such a lock.

    Some network file systems have none. The file stays: removing it would let two in.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True

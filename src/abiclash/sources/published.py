"""Facts that somebody published: a folder, or the same files on a web server."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from abiclash.errors import SourceError
from abiclash.facts.limits import Limits, over
from abiclash.sources.redact import redacted

if TYPE_CHECKING:
    import httpx

    from abiclash.facts.store import Upstream


CONTENTS = "contents.txt"
"""What there is, a line each: a wheel's folder, or the path of a document. It saves asking for what is not there."""


class PublishedFolder:
    """Published facts in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes | None:
        try:
            return (self._root / path).read_bytes()
        except OSError:
            return None


class PublishedSite:
    """Published facts below a URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._lock = Lock()
        self._client: httpx.Client | None = None
        self._asked = Lock()
        self._contents: frozenset[str] | None = None
        self._listed = False

    def read(self, path: str) -> bytes | None:
        """Return a file; None where the server has none. Raises SourceError where it cannot be asked."""
        with self._asked:
            if not self._listed:
                listing = self._got(CONTENTS)
                self._contents = None if listing is None else frozenset(listing.decode("ascii", "replace").split("\n"))
                self._listed = True
        if self._contents is not None and self._contents.isdisjoint((path, path.rpartition("/")[0])):
            return None
        return self._got(path)

    def _got(self, path: str) -> bytes | None:
        import httpx  # noqa: PLC0415 - a scan with nothing missing does without

        shown = redacted(self._url)
        try:
            with self._connected().stream("GET", f"{self._url}/{quote(path)}") as answer:
                if answer.status_code in {404, 410}:
                    return None
                if answer.status_code == 200:
                    return self._body(answer)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # a name that DNS cannot hold
            reason = redacted(str(error)) or type(error).__name__
            raise SourceError(f"{shown}: cannot be reached: {reason}; scan without --facts") from error
        raise SourceError(f"{shown}: answers {answer.status_code}; check the address, or scan without it")

    def _body(self, answer: httpx.Response) -> bytes:
        """Return a body of bounded length: the server decides when it ends."""
        most, body = Limits.load().download, bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > most:
                raise SourceError(f"{redacted(self._url)}: a file is {over('download', most)}")
        return bytes(body)

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                from abiclash.sources.network import open_client  # noqa: PLC0415 - as above
                from abiclash.sources.uvconfig import IndexSettings  # noqa: PLC0415

                self._client = open_client(IndexSettings.load())
            return self._client


def open_published(where: str) -> Upstream | None:
    """Return the published facts at a URL or in a folder; None for ''. Raises SourceError."""
    if not where:
        return None
    if where.startswith(("http://", "https://")):
        return PublishedSite(where)
    folder = Path(where).expanduser()
    if not folder.is_dir():
        raise SourceError(f"--facts {where}: no such folder; give the folder or the address that holds facts-N/")
    return PublishedFolder(folder)

"""Download one file over an unreliable network: resumed, retried, and only believed when it is what was promised."""

from __future__ import annotations

import email.utils
import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from abiclash.errors import SourceError
from abiclash.facts.limits import Limits, over
from abiclash.sources.redact import redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ATTEMPTS = 5
_LONGEST_WAIT = 60.0
_RETRIED = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 18
_SLOW_SECONDS, _SLOWEST = 60.0, 1000
_ZIP = b"PK"


class _Again(Exception):  # noqa: N818 - a signal inside this module
    """The attempt failed, another may not. wait: seconds that the server asks for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass
class Download:
    """One file on its way.

    part: where the bytes go; bytes that an earlier run left there are kept. sha256, size: what was promised, None
    where nothing was. advance: told of each new byte once, even when a server starts over.
    """

    client: httpx.Client
    url: str
    filename: str
    part: Path
    sha256: str | None
    size: int | None
    advance: Callable[[int], object]
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _validator: str | None = None
    _told: int = 0
    _done: int = 0
    _joined: bool = False
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def run(self) -> str:
        """Fill `part` and return its sha256.

        Raises SourceError, which names the file and the reason; OSError where `part` cannot be written.
        """
        if self.sha256 is None:
            self.part.unlink(missing_ok=True)  # nothing would show that it belongs to another file
        self._take_up()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._receive()
                return self._verified()
            except _Again as problem:
                if attempt == _ATTEMPTS:
                    raise self._error(f"{problem} ({_ATTEMPTS} attempts); try again later") from problem
                wait = problem.wait if problem.wait is not None else 0.5 * 2 ** (attempt - 1)
                self.sleep(min(wait, _LONGEST_WAIT))
        raise AssertionError  # the last attempt returns or raises

    def _take_up(self) -> None:
        """Hash what an earlier run left."""
        if self.part.exists():
            with self.part.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    self._count(chunk)

    def _restart(self) -> None:
        self.part.unlink(missing_ok=True)
        self._done, self._digest, self._joined = 0, hashlib.sha256(), False

    def _count(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self._done += len(chunk)
        if self._done > self._told:
            self.advance(self._done - self._told)
            self._told = self._done

    def _receive(self) -> None:
        """Get what is missing of the file."""
        if self._done and self._done == self.size:
            self._joined = True
            return
        if self.sha256 is None and self._validator is None:
            self._restart()  # nothing would show that two halves are of different files
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        if self._done and self._validator:
            headers["If-Range"] = self._validator
        try:
            with self.client.stream("GET", self.url, headers=headers) as response:
                self._accept(response)
                self._keep(response)
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                reason = f"the certificate of {_host(self.url)} is not trusted; name your certificates in SSL_CERT_FILE"
                raise self._error(reason) from error
            raise _Again(f"{_host(self.url)} cannot be reached: {error or type(error).__name__}") from error
        except (httpx.TooManyRedirects, httpx.InvalidURL, UnicodeError) as error:  # a name that DNS cannot hold
            raise self._error(f"{redacted(str(error))}; check the index") from error

    def _keep(self, response: httpx.Response) -> None:
        """Append the body, as long as it is a zip file of at most the promised size and comes at all."""
        began, before = self.clock(), self._done
        most = Limits.load().download
        with self.part.open("ab") as file:
            for chunk in response.iter_raw():
                if not self._done and not chunk.startswith(_ZIP):
                    raise self._error(f"{_host(self.url)} sends {_nature(chunk, response)}, not a wheel; {_PORTAL}")
                if self.size is not None and self._done + len(chunk) > self.size:
                    self._restart()
                    raise self._error(f"more bytes come than the {self.size} that were promised; check the index")
                if self._done + len(chunk) > most:
                    self._restart()
                    raise self._error(over("download", most))
                file.write(chunk)
                self._count(chunk)
                seconds = self.clock() - began
                if seconds > _SLOW_SECONDS and self._done - before < seconds * _SLOWEST:
                    raise _Again(f"{_host(self.url)} sends less than {_SLOWEST} bytes a second")

    def _accept(self, response: httpx.Response) -> None:
        """Return when the body continues what is there, or is the whole file; raise for anything else."""
        status = response.status_code
        if status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {self._done}-"):
            self._joined = True
            return
        if status in {206, 416}:
            self._restart()
            raise _Again("the server sends other parts of the file than asked for", 0)
        if status in _RETRIED:
            raise _Again(f"{_host(self.url)} answers {status}", _retry_after(response.headers.get("Retry-After")))
        if status in {401, 403, 407}:
            raise self._error(
                f"{_host(self.url)} refuses access ({status}); give credentials in the index URL or in ~/.netrc"
            )
        if status != 200:
            raise self._error(f"{_host(self.url)} answers {status}; resolve anew with --refresh, or check the index")
        self._restart()
        etag = response.headers.get("ETag", "")
        self._validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")

    def _verified(self) -> str:
        digest, size = self._digest.hexdigest(), self._done
        if self.sha256 in {None, digest} and self.size in {None, size} and size:
            return digest
        reason = f"its sha256 is {digest}, but {self.sha256} was promised: it is damaged or was replaced"
        if self.size not in {None, size}:
            reason = f"{size} bytes came instead of {self.size}"
        elif not size:
            reason = f"{_host(self.url)} sends nothing"
        joined = self._joined
        self._restart()
        if joined:
            raise _Again(reason, 0)  # its halves may be of two files
        raise self._error(f"{reason}; check the index")

    def _error(self, reason: str) -> SourceError:
        return SourceError(f"{self.filename}: {reason}")


_PORTAL = "check the index, and whether the network wants a login"


def _nature(chunk: bytes, response: httpx.Response) -> str:
    html = chunk[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
    return "a web page" if html or "html" in response.headers.get("Content-Type", "") else "something else"


def _retry_after(value: str | None) -> float | None:
    """Return seconds of a Retry-After header (RFC 9110, section 10.2.3: a number or a date)."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _host(url: str) -> str:
    return httpx.URL(url).host or "the server"

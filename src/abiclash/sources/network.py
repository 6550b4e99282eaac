"""The HTTP client: certificates, proxies and credentials as the user's configuration has them."""

from __future__ import annotations

import netrc
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx

from abiclash import __version__
from abiclash.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from abiclash.sources.uvconfig import IndexSettings

_BUNDLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
_CONNECT_SECONDS, _READ_SECONDS = 15.0, 60.0


def open_client(settings: IndexSettings, environ: Mapping[str, str] = os.environ) -> httpx.Client:
    """Return a client for the addresses that a resolution gives. Raises SourceError for unreadable certificates."""
    pip = settings.pip
    read = _READ_SECONDS if pip.timeout is None else max(pip.timeout, 1.0)
    proxied = any(environ.get(name) or environ.get(name.lower()) for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"))
    proxy = None if proxied else pip.proxy
    unverified = {
        f"all://{host}": httpx.HTTPTransport(verify=False, proxy=proxy)  # the user trusts this host
        for host in (*pip.trusted_hosts, *settings.named.trusted_hosts, *environ.get("UV_INSECURE_HOST", "").split())
    }
    try:
        return httpx.Client(
            verify=_context(pip.cert, pip.client_cert or environ.get("SSL_CLIENT_CERT"), environ),
            auth=HostAuth(_credentials(_index_urls(settings, environ)), _netrc(environ)),
            headers={"User-Agent": f"abiclash/{__version__}", "Accept-Encoding": "identity"},
            timeout=httpx.Timeout(read, connect=min(read, _CONNECT_SECONDS)),
            follow_redirects=True,
            mounts=unverified,
            proxy=proxy,
        )
    except (OSError, ValueError) as error:
        raise SourceError(
            f"proxy or certificates: {error}; check SSL_CERT_FILE, HTTPS_PROXY and pip's options"
        ) from error


class HostAuth(httpx.Auth):
    """Basic credentials by host: those in the URL, of an index on that host, or of ~/.netrc.

    httpx takes them off when a redirect leads to another host.
    """

    def __init__(self, indexes: Mapping[str, tuple[str, str]], known: netrc.netrc | None) -> None:
        self._indexes = indexes
        self._netrc = known

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header, where credentials are known."""
        found = self._for(request.url)
        if found is not None:
            yield from httpx.BasicAuth(*found).auth_flow(request)
        else:
            yield request

    def _for(self, url: httpx.URL) -> tuple[str, str] | None:
        if url.username or url.password:
            return url.username, url.password
        if found := self._indexes.get(url.host):
            return found
        entry = self._netrc.authenticators(url.host) if self._netrc else None
        return (entry[0], entry[2] or "") if entry else None


def _context(cert: str | None, client_cert: str | None, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that trusts the bundle the user names, else the system's and certifi's certificates."""
    named = cert or next((environ[name] for name in _BUNDLES if environ.get(name)), None)
    try:
        if named:
            place = {"capath": named} if Path(named).is_dir() else {"cafile": named}
            context = ssl.create_default_context(**place)  # type: ignore[arg-type]
        else:
            import certifi  # noqa: PLC0415 - comes with httpx, and is needed only here

            context = ssl.create_default_context()
            context.load_verify_locations(certifi.where())
        if client_cert:
            context.load_cert_chain(client_cert)
    except (OSError, ssl.SSLError) as error:
        raise SourceError(
            f"certificates {named or client_cert}: cannot be read: {error}; check SSL_CERT_FILE and pip's cert option"
        ) from error
    return context


def _index_urls(settings: IndexSettings, environ: Mapping[str, str]) -> Iterable[str]:
    for pip in (settings.pip, settings.named):
        yield from (pip.index_url or "", *pip.extra_index_urls, *pip.find_links)
    for name in _INDEXES:
        for word in environ.get(name, "").replace(",", " ").split():
            # uv allows `name=URL`.
            label, separator, url = word.partition("=")
            yield url if separator and "/" not in label else word


def _credentials(urls: Iterable[str]) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for url in urls:
        try:
            parts = urlsplit(url)
        except ValueError:  # whoever uses it says so
            continue
        if parts.hostname and parts.username:
            found.setdefault(parts.hostname, (unquote(parts.username), unquote(parts.password or "")))
    return found


def _netrc(environ: Mapping[str, str]) -> netrc.netrc | None:
    path = Path(environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        return netrc.netrc(str(path))
    except (OSError, netrc.NetrcParseError):
        return None

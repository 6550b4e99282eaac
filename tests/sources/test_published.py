from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.sources.published import open_published
from tests.sources.misbehaving import Behaviour, Handler, cut, serving, status

if TYPE_CHECKING:
    from abiclash.facts.store import Upstream


def published(url: str) -> Upstream:
    found = open_published(url)
    assert found is not None
    return found


def _endless(handler: Handler) -> None:
    handler.answer(200, b"x", headers={"Content-Length": str(1 << 50)})
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"x" * (1 << 16))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (status(503), "answers 503; check the address"),
        (status(403), "answers 403; check the address"),
        (status(302, {"Location": "/again"}), "cannot be reached: Exceeded maximum allowed redirects"),
        (status(302, {"Location": "file:///etc/passwd"}), "cannot be reached: "),
        (cut(b"x" * 5000, 1000), "cannot be reached: peer closed connection"),
        (_endless, "a file is more than the limit of 1048576 (--limit download=1048576)"),
    ],
)
def test_a_site_that_misbehaves(behaviour: Behaviour, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABICLASH_MAX_DOWNLOAD", "1M")
    with serving(behaviour) as server:
        site = published(server.url.replace("http://", "http://user:secret@"))
        with pytest.raises(SourceError) as caught:
            site.read("facts-1/manifest.json")
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[", "http://a:b:c/", "http://\x00/", "https://" + "a" * 70 + ".x/"])
def test_no_address(url: str) -> None:
    with pytest.raises(SourceError, match="cannot be reached"):
        published(url).read("a")


def test_what_a_site_does_not_have() -> None:
    with serving(status(404)) as server:
        assert published(server.url).read("a") is None


def test_what_is_not_in_the_contents_is_not_asked_for() -> None:
    def contents(handler: Handler) -> None:
        handler.answer(200, b"facts-1/wheels/ab/abc\nfacts-1/documents/x/ab/abc.gz\n")

    with serving(contents, status(200)) as server:
        site = published(server.url)
        assert site.read("facts-1/documents/y/ab/abc.gz") is None
        assert len(server.requests) == 1
        assert site.read("facts-1/wheels/ab/abc/manifest.json") == b""
        assert site.read("facts-1/documents/x/ab/abc.gz") == b""
        assert len(server.requests) == 3

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

import httpx
import pytest

from abiclash.errors import SourceError
from abiclash.sources.download import Download
from tests.sources.misbehaving import Behaviour, Handler, Server, cut, serving, status, whole

if TYPE_CHECKING:
    from pathlib import Path

BODY = b"PK\x03\x04" + os.urandom(700_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Attempt:
    """A download from a server, with what it told and how long it would have waited."""

    def __init__(self, server: Server, folder: Path, sha256: str | None = SHA256, size: int | None = None) -> None:
        self.told: list[int] = []
        self.waits: list[float] = []
        self.part = folder / "part"
        self.client = httpx.Client(follow_redirects=True, timeout=5, trust_env=False)
        self.download = Download(
            self.client,
            f"{server.url}/demo-1-py3-none-any.whl",
            "demo-1-py3-none-any.whl",
            self.part,
            sha256,
            size,
            self.told.append,
            self.waits.append,
        )

    def run(self) -> str:
        with self.client:
            return self.download.run()

    def error(self) -> str:
        with pytest.raises(SourceError) as caught:
            self.run()
        return str(caught.value)


def test_a_file_is_stored_and_told(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server:
        attempt = Attempt(server, tmp_path, size=len(BODY))
        assert attempt.run() == SHA256
    assert attempt.part.read_bytes() == BODY
    assert sum(attempt.told) == len(BODY)
    assert attempt.waits == []


def test_a_cut_connection_is_resumed_where_it_ended(tmp_path: Path) -> None:
    with serving(cut(BODY, 300_000), status(503), whole(BODY)) as server:
        attempt = Attempt(server, tmp_path)
        assert attempt.run() == SHA256
        asked = [request.get("Range") for request in server.requests]
    assert asked == [None, "bytes=300000-", "bytes=300000-"]
    assert sum(attempt.told) == len(BODY)


def test_a_file_that_changed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    other = b"PK\x03\x04" + os.urandom(500_000)
    with serving(cut(other, 200_000, '"old"'), whole(BODY, '"new"')) as server:
        attempt = Attempt(server, tmp_path)
        assert attempt.run() == SHA256
        assert server.requests[1]["If-Range"] == '"old"'
    assert attempt.part.read_bytes() == BODY


def test_a_server_without_ranges_starts_over(tmp_path: Path) -> None:
    with serving(cut(BODY, 100_000), status(200, body=BODY)) as server:
        attempt = Attempt(server, tmp_path)
        assert attempt.run() == SHA256
    assert sum(attempt.told) == len(BODY)


def test_what_a_killed_run_left_is_used(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(BODY[:600_000])
    with serving(whole(BODY)) as server:
        assert Attempt(server, tmp_path).run() == SHA256
        assert [request["Range"] for request in server.requests] == ["bytes=600000-"]


def test_a_left_part_of_another_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" * 600_000)
    with serving(whole(BODY)) as server:
        assert Attempt(server, tmp_path).run() == SHA256
    assert (tmp_path / "part").read_bytes() == BODY


def test_a_part_longer_than_the_file_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(BODY + b"more")
    with serving(status(416), whole(BODY)) as server:
        assert Attempt(server, tmp_path).run() == SHA256


def test_a_part_of_a_file_without_a_hash_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(BODY[:10])
    with serving(whole(BODY)) as server:
        assert Attempt(server, tmp_path, sha256=None).run() == SHA256
        assert "Range" not in server.requests[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        ("3600", 60.0),
        (None, 0.5),
        ("nonsense", 0.5),
        ("\xb2", 0.5),
        ("9" * 400, 60.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60.0),
    ],
)
def test_a_busy_server_says_when_to_come_back(tmp_path: Path, header: str | None, expected: float) -> None:
    with serving(status(429, {"Retry-After": header} if header else None), whole(BODY)) as server:
        attempt = Attempt(server, tmp_path)
        assert attempt.run() == SHA256
    assert attempt.waits == [expected]


def test_attempts_are_bounded(tmp_path: Path) -> None:
    with serving(status(503)) as server:
        attempt = Attempt(server, tmp_path)
        assert attempt.error() == "demo-1-py3-none-any.whl: 127.0.0.1 answers 503 (5 attempts); try again later"
        assert len(server.requests) == 5
    assert attempt.waits == [0.5, 1.0, 2.0, 4.0]


def _page(handler: Handler) -> None:
    handler.answer(200, b"<!DOCTYPE html><title>Log in</title>", {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (_page, "sends a web page, not a wheel"),
        (status(200, body=b"hello"), "sends something else, not a wheel"),
        (status(404), "answers 404; resolve anew"),
        (status(401), "refuses access (401); give credentials"),
        (status(403), "refuses access (403); give credentials"),
        (status(302, {"Location": "/again"}), "Exceeded maximum allowed redirects"),
        (status(302, {"Location": "file:///etc/passwd"}), "cannot be reached"),
        (status(200, body=b"PK\x03\x04 not what was promised"), f"but {SHA256} was promised"),
        (status(200), "127.0.0.1 sends nothing; check the index"),
        (cut(BODY, 1000), "cannot be reached: peer closed connection"),
    ],
)
def test_what_is_no_wheel_is_refused_with_its_reason(tmp_path: Path, behaviour: Behaviour, words: str) -> None:
    with serving(behaviour) as server:
        message = Attempt(server, tmp_path).error()
    assert message.startswith("demo-1-py3-none-any.whl: ")
    assert words in message
    assert "\n" not in message


def test_a_wrong_length_is_refused(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server:
        assert "more bytes come than the 12 that were promised" in Attempt(server, tmp_path, size=12).error()
        assert f"{len(BODY)} bytes came instead of" in Attempt(server, tmp_path, size=len(BODY) + 1).error()
    assert not (tmp_path / "part").exists()


def _endless(handler: Handler) -> None:
    handler.answer(200, BODY, headers={"Content-Length": str(1 << 50)})
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b"x" * (1 << 16))


def test_a_file_without_end_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(_endless) as server:
        assert "more bytes come than" in Attempt(server, tmp_path, size=len(BODY)).error()
    monkeypatch.setenv("ABICLASH_MAX_DOWNLOAD", "2M")
    with serving(_endless) as server:
        message = Attempt(server, tmp_path).error()
    assert "more than the limit of 2097152 (--limit download=2097152)" in message
    assert not (tmp_path / "part").exists()


def test_a_trickle_is_given_up_and_gone_on_with(tmp_path: Path) -> None:
    """A byte now and then keeps every read below its time-out."""

    def drip(handler: Handler) -> None:
        handler.answer(200, BODY[:100], {"ETag": '"a"'}, length=len(BODY))
        handler.wfile.flush()
        handler.rfile.read(1)  # until the other side hangs up

    with serving(drip, whole(BODY)) as server:
        attempt = Attempt(server, tmp_path)
        times = iter([0.0, 70.0])
        attempt.download.clock = lambda: next(times, 100.0)
        assert attempt.run() == SHA256
        assert server.requests[1]["Range"] == "bytes=100-"
    assert attempt.waits == [0.5]


def test_a_wrong_file_is_not_downloaded_twice(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server:
        Attempt(server, tmp_path, sha256="0" * 64).error()
        assert len(server.requests) == 1


def test_nobody_there(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server:
        pass
    message = Attempt(server, tmp_path).error()
    assert "127.0.0.1 cannot be reached" in message


def test_credentials_are_never_told(tmp_path: Path) -> None:
    with serving(status(403)) as server:
        attempt = Attempt(server, tmp_path)
        attempt.download.url = attempt.download.url.replace("http://", "http://user:secret@")
        message = attempt.error()
    assert "secret" not in message
    assert "user" not in message


@pytest.mark.parametrize(
    "url", ["http://[", "http://a:b:c/", f"http://{'a' * 70}.x/", "https://..x/", "ftp://x/", "/x"]
)
def test_no_address(tmp_path: Path, url: str) -> None:
    """A lock file may name anything."""
    with serving(status(404)) as server:
        attempt = Attempt(server, tmp_path)
        attempt.download.url = url
        assert attempt.error().startswith("demo-1-py3-none-any.whl: ")

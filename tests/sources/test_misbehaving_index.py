"""An index on the loopback that lies, fails and sends elsewhere: what a scan says, and what it never says."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from typing import TYPE_CHECKING

import pytest

from abiclash.cli import app
from tests.sources.misbehaving import Behaviour, Handler, serving, status
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
HTML = {"Content-Type": "text/html"}
SECRET = "s3cret"  # noqa: S105 - nobody's


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the one of the test."""
    for variable in os.environ:
        if variable.startswith(("PIP_", "UV_", "ABICLASH_")) or variable.lower().endswith("_proxy"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("ABICLASH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")


def index(wheel: Path, sha256: str | None = None, address: str = "", page: Behaviour | None = None) -> Behaviour:
    """Serve one wheel. sha256: what the page promises. address: where it says that the file is."""
    body = wheel.read_bytes()
    digest = sha256 or hashlib.sha256(body).hexdigest()

    def behave(handler: Handler) -> None:
        if handler.path.endswith(".whl"):
            handler.answer(200, body)
        elif not handler.path.startswith("/simple/demo"):
            handler.answer(404)
        elif page is not None:
            page(handler)
        else:
            file = {"filename": wheel.name, "url": f"{address}/{wheel.name}", "hashes": {"sha256": digest}}
            document = {"meta": {"api-version": "1.0"}, "name": "demo", "files": [file]}
            handler.answer(200, json.dumps(document).encode(), JSON)

    return behave


def scanned(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Scan demo with an index that has credentials; return the exit status and all that was printed."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{url.replace('http://', f'http://me:{SECRET}@')}/simple")
    code = app.run(["scan", "demo", "--python", "3.11", "--platform", "manylinux_2_28_x86_64"])
    said = capsys.readouterr()
    text = said.out + said.err
    assert SECRET not in text
    assert "Traceback" not in text
    return code, text


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path / "house", {"demo/__init__.py": b""}, name="demo", version="1.0", tag="py3-none-any")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (status(503), "503"),
        (status(429, {"Retry-After": "1"}), "429"),
        (status(403), "403"),
        (status(200, JSON, b"{not JSON"), "demo"),
        (status(200, JSON, b"[" * 100_000), "demo"),
        (status(200, HTML, b"<!DOCTYPE html><title>Log in</title>"), "demo"),
        (status(200, HTML, b"\xff\xfe\0"), "demo"),
        (status(302, {"Location": "/simple/demo/"}), "demo"),
        (status(302, {"Location": "file:///etc/passwd"}), "demo"),
    ],
)
def test_what_an_index_answers(
    page: Behaviour, words: str, wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(index(wheel, page=page)) as server:
        code, text = scanned(server.url, monkeypatch, capsys)
    assert code == 2
    assert words in text


def test_a_wrong_hash(wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(index(wheel, sha256="0" * 64)) as server:
        code, text = scanned(server.url, monkeypatch, capsys)
    assert code == 2
    assert "0" * 64 in text


def test_a_busy_index_is_asked_again(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = index(wheel)
    with serving(status(429, {"Retry-After": "1"}), good) as server:
        assert scanned(server.url, monkeypatch, capsys)[0] == 0


def test_credentials_do_not_follow_to_another_host(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither when the index sends elsewhere, nor to where its files lie."""
    with serving(index(wheel)) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        page = status(302, {"Location": f"{elsewhere}/simple/demo/"})
        for behaviour in (index(wheel, page=page), index(wheel, address=elsewhere)):
            with serving(behaviour) as server:
                assert scanned(server.url, monkeypatch, capsys)[0] == 0
                assert server.requests[-1].get("Authorization") or server.requests[-1].get("authorization")
        assert other.requests
        assert not [asked for asked in other.requests if "authorization" in {name.lower() for name in asked}]


def test_an_index_that_trickles(
    wheel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def trickle(handler: Handler) -> None:
        handler.answer(200, b"{", JSON, length=10**9)
        with contextlib.suppress(OSError):
            while not ended.wait(0.05):
                handler.wfile.write(b" ")

    ended = threading.Event()
    monkeypatch.setattr("abiclash.sources.uvrun._SECONDS", 2)
    with serving(index(wheel, page=trickle)) as server:
        code, text = scanned(server.url, monkeypatch, capsys)
        ended.set()
    assert code == 2
    assert "timed out" in text


def test_a_zip_bomb_is_not_given_to_the_resolver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The resolver would unpack it into its cache."""
    bomb = make_wheel(tmp_path / "house", {"demo/a.so": bytes(80 << 20)}, name="demo", version="1.0")
    assert app.run(["scan", str(bomb)]) == 2
    assert "more than the limit of 250 (--limit ratio=250)" in capsys.readouterr().err
    assert not (tmp_path / "uv").exists()

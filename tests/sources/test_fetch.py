from __future__ import annotations

import contextlib
import hashlib
import multiprocessing
import random
import resource
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from abiclash.errors import NotAnalysed, SourceError, StoreError
from abiclash.sources.fetch import Fetcher
from abiclash.sources.pipconfig import PipSettings
from abiclash.sources.resolution import Package
from abiclash.sources.uvconfig import IndexSettings
from tests.sources.misbehaving import Handler, serving, status, whole

if TYPE_CHECKING:
    from pathlib import Path

BODY = b"PK\x03\x04" + random.Random(0).randbytes(300_000)  # noqa: S311 - the same in every process
SHA256 = hashlib.sha256(BODY).hexdigest()
NAME = "demo-1.0-py3-none-any.whl"
PLAIN = IndexSettings(PipSettings(), PipSettings())


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's proxies away from the loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def package(url: str | None, sha256: str | None = SHA256, path: Path | None = None, size: int | None = None) -> Package:
    address = f"{url}/{NAME}" if url else None
    return Package("demo", "1.0", NAME, sha256, address, path, requested=True, size=size)


def test_a_wheel_is_downloaded_once(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        first, second = fetcher.fetch(package(server.url)), fetcher.fetch(package(server.url))
        assert len(server.requests) == 1
    assert first == second == tmp_path / "wheels" / SHA256 / NAME
    assert first.read_bytes() == BODY
    assert not list((tmp_path / "wheels" / "parts").glob("*.part"))


def test_a_wheel_without_a_promised_hash_is_filed_under_its_own(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        assert fetcher.fetch(package(server.url, sha256=None)).parent.name == SHA256


def test_a_local_file_is_used_in_place(tmp_path: Path) -> None:
    local = tmp_path / NAME
    local.write_bytes(BODY)
    with Fetcher(tmp_path / "cache", PLAIN, offline=True) as fetcher:
        assert fetcher.fetch(package(None, path=local)) == local
        with pytest.raises(SourceError, match="is not there; check the path"):
            fetcher.fetch(package(None, path=tmp_path / "gone.whl"))


def test_offline_takes_what_is_kept_and_says_what_is_not(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as online:
        online.fetch(package(server.url))
    with Fetcher(tmp_path, PLAIN, offline=True) as fetcher:
        assert fetcher.fetch(package("http://127.0.0.1:1")).read_bytes() == BODY
        with pytest.raises(SourceError, match=f"{NAME}: not in the cache, and the network is off"):
            fetcher.fetch(package("http://127.0.0.1:1", sha256="0" * 64))


def test_one_failure_costs_only_itself(tmp_path: Path) -> None:
    with serving(whole(BODY)) as good, serving(status(404)) as bad, Fetcher(tmp_path, PLAIN) as fetcher:
        results = fetcher.fetch_all([package(bad.url, sha256="1" * 64), package(good.url)])
    assert results[1] == tmp_path / "wheels" / SHA256 / NAME
    assert results[0] == NotAnalysed(NAME, "127.0.0.1 answers 404; resolve anew with --refresh, or check the index")


class Told:
    """Progress that adds up."""

    def __init__(self) -> None:
        self.title = ""
        self.total: int | None = None
        self.done = 0
        self.ended = False
        self.lock = threading.Lock()

    def task(self, title: str, total: int | None, unit: str = "items") -> Told:
        self.title, self.total = f"{title} {unit}", total
        return self

    def advance(self, amount: int = 1) -> None:
        with self.lock:
            self.done += amount

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ended = True


@pytest.mark.parametrize(("size", "total"), [(len(BODY), len(BODY)), (None, None)])
def test_progress_is_told_in_bytes(tmp_path: Path, size: int | None, total: int | None) -> None:
    told = Told()
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        fetcher.fetch_all([package(server.url, size=size)], told)
    assert (told.title, told.total, told.done, told.ended) == ("downloading bytes", total, len(BODY), True)


def test_an_unwritable_cache_is_one_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with (
        serving(whole(BODY)) as server,
        Fetcher(blocked, PLAIN) as fetcher,
        pytest.raises(StoreError, match=r"cannot be written: .*ABICLASH_CACHE"),
    ):
        fetcher.fetch_all([package(server.url)])


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # the next best thing to a full disk
        try:
            with pytest.raises(StoreError, match="File too large; free space"):
                fetcher.fetch(package(server.url))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_interruption_stops_the_other_downloads(tmp_path: Path) -> None:
    given_up = threading.Event()

    def drip(handler: Handler) -> None:
        handler.answer(200, b"PK", length=10**9)
        with contextlib.suppress(OSError):
            while not given_up.wait(0.01):
                handler.wfile.write(b"x" * 1000)

    class Interrupted(Told):
        def advance(self, amount: int = 1) -> None:
            super().advance(amount)
            if self.done > 5000:
                raise KeyboardInterrupt

    with serving(drip) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            fetcher.fetch_all([package(server.url, sha256=digit * 64) for digit in "123"], Interrupted())
        assert time.monotonic() - started < 10
        given_up.set()


def _fetch(url: str, cache: Path) -> None:
    with Fetcher(cache, PLAIN) as fetcher:
        assert fetcher.fetch(package(url)).read_bytes() == BODY


def test_processes_share_one_download(tmp_path: Path) -> None:
    with serving(whole(BODY)) as server:
        spawn = multiprocessing.get_context("spawn")
        processes = [spawn.Process(target=_fetch, args=(server.url, tmp_path)) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0, 0]
        assert len(server.requests) == 1


def test_credentials_of_an_index_go_to_its_host_only(tmp_path: Path) -> None:
    with serving(whole(BODY)) as other:

        def redirect(handler: Handler) -> None:
            handler.answer(302, headers={"Location": f"{other.url.replace('127.0.0.1', 'localhost')}/{NAME}"})

        with serving(redirect) as index:
            pip = PipSettings(index_url=f"{index.url.replace('http://', 'http://me:s%40cret@')}/simple")
            with Fetcher(tmp_path, IndexSettings(pip, PipSettings())) as fetcher:
                fetcher.fetch(package(index.url))
            assert index.requests[0]["Authorization"] == "Basic bWU6c0BjcmV0"
        assert "Authorization" not in other.requests[0]


def test_credentials_of_netrc_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(whole(BODY)) as server, Fetcher(tmp_path, PLAIN) as fetcher:
        fetcher.fetch(package(server.url))
        assert server.requests[0]["Authorization"] == "Basic bWU6cGFzcw=="


def test_a_proxy_of_pip_is_used(tmp_path: Path) -> None:
    with serving(whole(BODY)) as proxy:
        with Fetcher(tmp_path, IndexSettings(PipSettings(proxy=proxy.url), PipSettings())) as fetcher:
            fetcher.fetch(package("http://files.invalid"))
        assert proxy.requests[0]["Host"] == "files.invalid"


def test_unreadable_certificates_are_named(tmp_path: Path) -> None:
    settings = IndexSettings(PipSettings(cert=str(tmp_path / "none.pem")), PipSettings())
    with Fetcher(tmp_path, settings) as fetcher, pytest.raises(SourceError, match=r"none\.pem: cannot be read"):
        fetcher.fetch(package("https://127.0.0.1:1"))

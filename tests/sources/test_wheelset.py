from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.facts.store import Store
from abiclash.sources.platform import Platform, Python, Runtime
from abiclash.sources.resolution import Package, Resolution
from abiclash.sources.wheelset import gather
from tests.sources.misbehaving import serving, status, whole
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's proxies away from the loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "PIP_PROXY"):
        monkeypatch.delenv(name, raising=False)


def resolution(*packages: Package, environment: Path | None = None, objects: tuple[Path, ...] = ()) -> Resolution:
    runtime = Runtime(Python(11), Platform("x86_64", "glibc", (2, 36)))
    return Resolution(runtime, packages, environment, objects, ())


def named(wheel: Path, url: str | None = None, sha256: str | None = "") -> Package:
    """Return the package of a wheel, at a URL or in place. sha256: "" for the right one."""
    name, version, *_ = wheel.name.split("-")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest() if sha256 == "" else sha256
    address = f"{url}/{wheel.name}" if url else None
    return Package(name, version, wheel.name, digest, address, None if url else wheel, requested=name == "demo")


def test_wheels_are_fetched_indexed_and_then_known(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo/__init__.py": "x = 1"}, tag="py3-none-any")
    with serving(whole(wheel.read_bytes())) as server:
        found = gather(resolution(named(wheel, server.url)), Store(tmp_path / "store"))
    (facts,) = found.wheels
    assert (facts.name, facts.modules) == ("demo", ("demo",))
    assert found.requested == {"demo"}
    assert found.packages[facts.sha256].filename == wheel.name
    again = gather(resolution(named(wheel, "http://127.0.0.1:1")), Store(tmp_path / "store"), offline=True)
    assert [item.sha256 for item in again.wheels] == [facts.sha256]


def test_a_wheel_whose_facts_are_known_is_not_downloaded(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo/__init__.py": "x = 1"}, tag="py3-none-any")
    store = Store(tmp_path / "store")
    gather(resolution(named(wheel)), store)
    with serving(status(500)) as server:
        assert len(gather(resolution(named(wheel, server.url)), store).wheels) == 1
        assert server.requests == []


def test_an_address_without_a_hash_is_known_again(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo/__init__.py": "x = 1"}, tag="py3-none-any")
    store = Store(tmp_path / "store")
    with serving(whole(wheel.read_bytes())) as server:
        for _ in range(2):
            (facts,) = gather(resolution(named(wheel, server.url, sha256=None)), store).wheels
            assert facts.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert len(server.requests) == 1


def test_what_cannot_be_read_does_not_lose_the_rest(tmp_path: Path) -> None:
    good = make_wheel(tmp_path, {"demo/__init__.py": ""}, tag="py3-none-any")
    gone = make_wheel(tmp_path, {}, name="gone", tag="py3-none-any")
    wrong = make_wheel(tmp_path, {}, name="wrong", tag="py3-none-any")
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK\x03\x04 broken")
    packages = [named(good), named(gone), named(wrong, sha256="0" * 64), named(broken)]
    gone.unlink()
    with serving(status(404)) as server:
        found = gather(resolution(*packages, named(wrong, server.url, "1" * 64)), Store(tmp_path / "store"))
    assert [facts.name for facts in found.wheels] == ["demo"]
    reasons = {problem.what.rpartition("/")[2]: problem.reason for problem in found.not_analysed}
    assert "No such file" in reasons[gone.name]
    assert "0" * 64 + " was promised" in json.dumps([p.reason for p in found.not_analysed])
    assert "answers 404" in reasons[wrong.name] or "answers 404" in str(found.not_analysed)
    assert broken.name in reasons


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(SourceError, match=r"broken-1\.0-py3-none-any\.whl: "):
        gather(resolution(named(broken)), Store(tmp_path / "store"))


@pytest.mark.compiler
def test_a_wheel_replaces_what_is_installed(tmp_path: Path, builder: Builder) -> None:
    site = tmp_path / "venv/lib/python3.11/site-packages"
    for name in ("demo", "other"):
        info = site / f"{name}-0.5.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 0.5\n")
        (info / "RECORD").write_text(f"{name}.so,,\n")
        builder.library(f"{name}.so", "int x;", into=site)
    (tmp_path / "venv/pyvenv.cfg").write_text("version = 3.11.2\n")
    wheel = make_wheel(tmp_path, {"demo/__init__.py": ""}, tag="py3-none-any")
    bare = builder.library("bare.so", "int y;")
    found = gather(resolution(named(wheel), environment=tmp_path / "venv", objects=(bare,)), Store(tmp_path / "store"))
    assert [facts.version for facts in found.wheels] == ["1.0"]
    assert [(facts.name, len(facts.objects)) for facts in found.installed] == [("other", 1), ("bare.so", 1)]
    assert found.environment is not None
    assert found.environment.site == (site,)


def test_two_scans_at_once_share_a_store(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {"demo/__init__.py": "x = 1"}, tag="py3-none-any")
    results = []

    def scan() -> None:
        results.append(gather(resolution(named(wheel, server.url)), Store(tmp_path / "store")))

    with serving(whole(wheel.read_bytes())) as server:
        threads = [threading.Thread(target=scan) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.requests) == 1
    assert [len(result.wheels) for result in results] == [1, 1, 1, 1]

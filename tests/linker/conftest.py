"""What the linker's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.sources.live_host import live
from tests.linker.assembly import Assembler
from tests.linker.judge import DRIVER, Judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from abiclash.sources.host_profile import HostProfile
    from tests.linker.assembly import Object
    from tests.support.builder import Builder

    Build = Callable[[Object], Path]


@pytest.fixture(scope="session")
def host() -> HostProfile:
    """Return this machine, without anything that the environment of the test run sets."""
    return live(environ={})


@pytest.fixture
def judge(builder: Builder, host: HostProfile, tmp_path: Path) -> Judge:
    """Return ld.so as judge over loads from `tmp_path`."""
    if host.libc != "glibc":
        pytest.skip("the machine's C library is not glibc")
    driver = builder.program("driver", DRIVER, flags=["-ldl"], into=tmp_path / "bin")
    return Judge(host, driver, tmp_path)


@pytest.fixture
def build(judge: Judge) -> Build:
    """Return what makes a shared object in the judge's folder."""
    return Assembler(judge.folder).build

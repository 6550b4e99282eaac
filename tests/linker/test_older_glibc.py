"""An older glibc as judge: its own ld.so runs the driver (newer ones: see `tests.linker.other_glibc`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings

from abiclash.errors import AbiclashError
from abiclash.lab.debian_tree import download, unpack
from abiclash.sources.loader import generic_processor, read_loader
from tests.linker.assembly import X86_64
from tests.linker.judge import DRIVER, Judge
from tests.linker.worlds import link_worlds, play
from tests.support.require import cache_folder, missing

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.sources.host_profile import HostProfile
    from tests.linker.worlds import LinkWorld
    from tests.support.builder import Builder

pytestmark = [pytest.mark.compiler, pytest.mark.index, pytest.mark.slow]
START = """
__asm__(".globl _start\\n_start: xor %ebp, %ebp; mov (%rsp), %rdi; lea 8(%rsp), %rsi; and $-16, %rsp; call begin");
int main(int, char **);
void begin(int count, char **words) { exit(main(count, words)); }
"""
"""The machine's own start files ask for a newer libc."""
PLAIN = replace(X86_64, uses={use: text for use, text in X86_64.uses.items() if use != "desc"})
"""No TLS descriptors: before glibc 2.34 RTLD_LAZY left them to their first use, which is not modelled."""


@pytest.fixture(params=["bullseye"])
def older(request: pytest.FixtureRequest, builder: Builder, host: HostProfile, tmp_path: Path) -> Judge:
    """Return the ld.so of an older Debian release as judge."""
    if host.machine != "x86_64" or host.libc != "glibc":
        pytest.skip("needs a Debian system on x86_64")
    folder = cache_folder(f"glibc-{request.param}")
    tree = folder / "tree"
    try:
        if not tree.exists():
            unpack(download(request.param, "x86_64", ["libc6"], folder), tree)
    except AbiclashError as error:
        missing("index", str(error))
    root, name = tree / "usr/lib/x86_64-linux-gnu", "ld-linux-x86-64.so.2"
    links = [f"-Wl,--dynamic-linker={root / name}", f"-Wl,-rpath,{root}"]
    flags = ["-nostdlib", "-nostartfiles", *links, str(root / "libdl.so.2"), str(root / "libc.so.6"), str(root / name)]
    driver = builder.program("driver", DRIVER + START, flags=flags, into=tmp_path / "bin")
    loader = read_loader((root / name).read_bytes(), (root / "libc.so.6").read_bytes(), name)
    own = replace(
        host,
        libc_version=loader.version,
        lib=loader.lib,
        processor=generic_processor("x86_64", loader.version),
        cache={},
        default_dirs=loader.system_dirs,
    )
    return Judge(own, driver, tmp_path)


@given(world=link_worlds())
@settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_many_random_worlds_load_as_predicted(older: Judge, world: LinkWorld) -> None:
    """New worlds each time."""
    play(world, older, PLAIN).agree()

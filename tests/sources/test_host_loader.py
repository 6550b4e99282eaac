"""What is read from ld.so's bytes, against what ld.so itself says."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from abiclash.errors import SourceError
from abiclash.sources.loader import (
    Loader,
    Processor,
    generic_processor,
    legacy_subdirectories,
    parse_diagnostics,
    read_loader,
    this_processor,
)

_LD_SO = Path("/lib64/ld-linux-x86-64.so.2")
_LIBC = Path("/lib/x86_64-linux-gnu/libc.so.6")
_RESULT = re.compile(r"search path=(\S+)\s+\(LD_LIBRARY_PATH\)")


def diagnostics() -> str:
    if not (_LD_SO.exists() and _LIBC.exists()):
        pytest.skip("needs Debian's x86_64 glibc")
    done = subprocess.run([_LD_SO, "--list-diagnostics"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs ld.so --list-diagnostics (glibc 2.33)")
    return done.stdout


def test_constants_are_those_that_ld_so_lists() -> None:
    text = diagnostics()
    directories = re.findall(r'^path\.system_dirs\[\w+\]="(.*)/"$', text, re.MULTILINE)
    version = re.search(r'^version\.version="(\d+)\.(\d+)"$', text, re.MULTILINE)
    lib = re.search(r'^dl_dst_lib="(.*)"$', text, re.MULTILINE)
    assert version is not None
    assert lib is not None
    expected = Loader("glibc", (int(version[1]), int(version[2])), tuple(directories), lib[1])
    assert expected == read_loader(_LD_SO.read_bytes(), _LIBC.read_bytes(), "here")


def test_subdirectories_are_those_that_ld_so_searches(tmp_path: Path) -> None:
    diagnostics()
    version = read_loader(_LD_SO.read_bytes(), _LIBC.read_bytes(), "here").version
    environment = {"LD_DEBUG": "libs", "LD_LIBRARY_PATH": str(tmp_path)}
    log = subprocess.run(["/bin/true"], env=environment, capture_output=True, text=True, check=True).stderr
    searched = _RESULT.search(log)
    assert searched is not None
    expected = [path.removeprefix(str(tmp_path)).removeprefix("/") for path in searched[1].split(":")]
    processor = this_processor(_LD_SO, platform.machine(), version)
    named = [f"glibc-hwcaps/{name}" for name in processor.hwcaps]
    assert list(dict.fromkeys(expected)) == [*named, *legacy_subdirectories(processor, version), ""]


def test_the_older_combinations() -> None:
    processor = Processor("haswell", (), ("x86_64", "avx512_1"))
    expected = (
        *("tls/haswell/avx512_1/x86_64", "tls/haswell/avx512_1", "tls/haswell/x86_64", "tls/haswell"),
        *("tls/avx512_1/x86_64", "tls/avx512_1", "tls/x86_64", "tls"),
        *("haswell/avx512_1/x86_64", "haswell/avx512_1", "haswell/x86_64", "haswell"),
        *("avx512_1/x86_64", "avx512_1", "x86_64"),
    )
    assert expected == legacy_subdirectories(processor, (2, 31))
    assert legacy_subdirectories(processor, (2, 37)) == ()


def test_diagnostics_of_another_machine() -> None:
    text = 'dl_hwcaps_subdirs="power10:power9"\ndl_hwcaps_subdirs_active=0x2\ndl_platform="power9"\n'
    assert Processor("power9", ("power9",), ()) == parse_diagnostics(text, "ppc64le", (2, 37))


def test_hwcaps_begin_with_2_33() -> None:
    assert generic_processor("x86_64", (2, 31), ("x86-64-v2",)).hwcaps == ()
    assert generic_processor("x86_64", (2, 33), ("x86-64-v2",)).hwcaps == ("x86-64-v2",)


def test_musl_is_known_by_its_libc() -> None:
    libc = b"\x7fELF...musl libc (x86_64)\nVersion %s\n\x001.2.3\0..."
    assert Loader("musl", (1, 2), ("/lib", "/usr/local/lib", "/usr/lib"), "") == read_loader(b"", libc, "here")


@pytest.mark.parametrize("libc", [b"", b"\x7fELF", b"\x001.2.3\0"])
def test_another_libc_is_refused(libc: bytes) -> None:
    with pytest.raises(SourceError, match="here: neither glibc nor musl"):
        read_loader(b"", libc, "here")


def test_an_ld_so_without_directories_is_refused() -> None:
    banner = b"GNU C Library (GNU libc) stable release version 2.40.\n"
    with pytest.raises(SourceError, match="default directories were not found"):
        read_loader(os.urandom(64), banner, "here")

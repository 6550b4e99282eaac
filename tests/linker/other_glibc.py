"""The linker's tests with another glibc in place of the machine's, for rules that changed since.

usage: python -m tests.linker.other_glibc SUITE [PYTEST ARGUMENT...]

SUITE: a Debian release with a newer glibc than the machine's (trixie, sid). Its libc6 is downloaded by apt and mounted
over the machine's, file by file, in a mount namespace of this process alone; pytest then runs there, and everything it
starts. Needs root, and a Debian system on x86_64.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from abiclash.lab.debian_tree import download, unpack
from tests.support.require import cache_folder

LIBRARIES = "usr/lib/x86_64-linux-gnu"
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
USUAL = ["tests/linker", "--ignore=tests/linker/test_architectures.py", "--ignore=tests/linker/test_musl.py"]


def main(suite: str, *arguments: str) -> None:
    """Become pytest, on the glibc of a Debian release."""
    folder = cache_folder(f"glibc-{suite}")
    tree = folder / "tree"
    if not tree.exists():
        unpack(download(suite, "x86_64", ["libc6"], folder), tree)
    put_in_place(tree)
    command = [sys.executable, "-m", "pytest", "-q", *(arguments or USUAL)]
    os.execv(sys.executable, command)  # noqa: S606


def put_in_place(tree: Path) -> None:
    """Mount the libraries of a tree over the machine's, unseen by other processes.

    One process does it all, and its own libraries are loaded: with half of them replaced, no program could start.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def demand(status: int) -> None:
        if status:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    demand(libc.unshare(CLONE_NEWNS))
    demand(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    for new in sorted((tree / LIBRARIES).glob("*.so*")):
        old = Path("/", LIBRARIES, new.name)
        if new.is_file() and old.exists():
            demand(libc.mount(os.fsencode(new.resolve()), os.fsencode(old.resolve()), None, MS_BIND, None))


if __name__ == "__main__":
    main(*sys.argv[1:])

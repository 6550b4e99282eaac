"""Measure what hostile inputs cost: python benchmarks/bounds.py

Each goes to the command in a process of its own; benchmarks/bounds.json gets its exit status, CPU seconds, peak memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEDGER = Path(__file__).parent / "bounds.json"
NAME = "demo-1.0-py3-none-any.whl"
INFO = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
COMMAND = [sys.executable, "-c", "from abiclash.cli import main; main()"]


def bomb(path: Path) -> None:
    """A megabyte that inflates to a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", INFO)
        with archive.open("demo/a.so", "w", force_zip64=True) as member:
            member.write(b"\x7fELF\2\1\1" + bytes(9))
            for _ in range(1024):
                member.write(bytes(1 << 20))


def many(path: Path) -> None:
    """More members than the limit allows."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", INFO)
        for number in range(251_000):
            archive.writestr(zipfile.ZipInfo(f"demo/{number}"), b"")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 30)


def library(path: Path) -> None:
    """An ELF header without any table, and 10 GB of nothing behind it."""
    path.write_bytes(b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\3\0\x3e\0\1\0\0\0".ljust(48, b"\0"))
    os.truncate(path, 10 << 30)


def archive(path: Path) -> None:
    """10 GB of nothing, and the end of an empty zip archive."""
    with path.open("wb") as file:
        file.seek(10 << 30)
        file.write(b"PK\5\6".ljust(22, b"\0"))


def words(path: Path) -> None:
    path.write_text(("a" * 9_999 + "\n") * 420)


def deep(path: Path) -> None:
    path.write_text("a=" + "[" * 8_000_000)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


CASES: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "a zip bomb: 1 MB that inflates to 1 GB": (bomb, NAME, ("check",)),
    "251,000 members": (many, NAME, ("check",)),
    "10 GB of nothing as a wheel": (sparse, NAME, ("scan",)),
    "10 GB of nothing as a shared object": (sparse, "a.so", ("scan",)),
    "10 GB of nothing as a wheel, its facts": (sparse, NAME, ("facts",)),
    "10 GB in a zip archive, its facts": (archive, NAME, ("facts",)),
    "10 GB in an ELF file, its facts": (library, "a.so", ("facts",)),
    "a crash text of 420 words of 9,999 letters": (words, "crash.txt", ("triage",)),
    "TOML nested 8 million deep as a lock file": (deep, "pylock.toml", ("scan",)),
    "/dev/zero as a configuration": (device, "abiclash.toml", ("scan", "a", "--config")),
}


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, (make, name, command)) in enumerate(CASES.items()):
            place = Path(folder) / str(number)
            place.mkdir()
            _made(make, place / name)
            rows.append({"what": what, **_cost([*COMMAND, *command, str(place / name)], place)})
            print(rows[-1], flush=True)
    LEDGER.write_text(json.dumps({"rows": rows}, indent=1) + "\n", "utf-8")


def _made(make: Callable[[Path], None], path: Path) -> None:
    """Make an input in a child: a command's peak begins with the memory of the process that starts it."""
    child = os.fork()
    if not child:
        make(path)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise OSError(f"{path}: could not be made")


def _cost(command: list[str], place: Path) -> dict[str, object]:
    """Run a command; return how it ended and what it took."""
    environ = {**os.environ, "ABICLASH_CACHE": str(place / "cache"), "PIP_NO_INDEX": "1"}
    began = time.monotonic()
    with (place / "said").open("wb") as said:
        child = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, env=environ)
        _, status, usage = os.wait4(child.pid, 0)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "wall": round(time.monotonic() - began, 1),
        "megabytes": usage.ru_maxrss // 1024,
    }


if __name__ == "__main__":
    main()

"""Files that are no files: every command that is given one says so, at once and in little memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash import readfile
from abiclash.readfile import read_bytes, read_text

if TYPE_CHECKING:
    from pathlib import Path


def test_texts(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text(file, "utf-8-sig") == "one\ntwo\nthree\n"
    with pytest.raises(UnicodeDecodeError):
        read_text(file, "ascii")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom", "/dev/tty"])
def test_devices(device: str) -> None:
    with pytest.raises(OSError, match=r"a device and not a file|No such device"):
        read_bytes(device)


def test_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_bytes(tmp_path / "pipe") == b""  # there is no writer to wait for
    script = "import sys; from abiclash.readfile import read_text; print(read_text(sys.argv[1]))"
    shell = f"{sys.executable} -c '{script}' <(sleep 0.2; echo told)"  # the shell writes to it
    assert subprocess.check_output(["bash", "-c", shell], text=True).strip() == "told"


def test_folders_and_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    monkeypatch.setattr(readfile, "LONGEST", 1 << 20)
    with pytest.raises(OSError, match="more than 1 MiB"):
        read_bytes(tmp_path / "large")


LIMITED = """\
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
from abiclash.cli import main
main()
"""


@pytest.mark.parametrize(
    "command",
    [
        ["scan", "-r", "r.txt"],
        ["scan", "-r", "c.txt"],
        ["scan", "pylock.toml"],
        ["scan", "uv.lock"],
        ["scan", "z-1.0-py3-none-any.whl"],
        ["scan", "pipe-1.0-py3-none-any.whl"],
        ["scan", "large-1.0-py3-none-any.whl"],
        ["scan", "zero.so"],
        ["scan", "large.so"],
        ["facts", "large.so"],
        ["facts", "large-1.0-py3-none-any.whl"],
        ["index", "large-1.0-py3-none-any.whl"],
        ["scan", "a", "--config", "zero.toml"],
        ["scan", "a", "--baseline", "zero.toml"],
        ["corpus", "show", "zero.toml"],
        ["host", "show", "zero.toml"],
        ["triage", "zero.toml"],
        ["check", "large-1.0-py3-none-any.whl", "--against", "zero.toml"],
        ["bindings", "--plan", "zero.toml"],
    ],
    ids=" ".join,
)
def test_odd_inputs(command: list[str], tmp_path: Path) -> None:
    for name in ("zero.toml", "pylock.toml", "zero.so", "z-1.0-py3-none-any.whl"):
        (tmp_path / name).symlink_to("/dev/zero")
    for name in ("uv.lock", "pipe.txt", "pipe-1.0-py3-none-any.whl"):
        os.mkfifo(tmp_path / name)
    for name in ("large-1.0-py3-none-any.whl", "large.so"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(10 << 30)  # no block of it is on the disk
    (tmp_path / "r.txt").write_text("-r zero.toml\n")
    (tmp_path / "c.txt").write_text("a\n-c zero.toml\n")
    environ = {**os.environ, "PIP_NO_INDEX": "1", "ABICLASH_CACHE": str(tmp_path / "cache")}
    full = [sys.executable, "-c", LIMITED, *command]
    done = subprocess.run(full, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in {2, 3}, done
    assert "Traceback" not in done.stderr
    assert len((done.stdout + done.stderr).splitlines()) < 12


def test_what_is_large_is_not_read_as_a_whole(tmp_path: Path) -> None:
    """Sparse files of 10 GB: an ELF file without any table, and an empty zip archive at the end."""
    library, wheel = tmp_path / "large.so", tmp_path / "large-1.0-py3-none-any.whl"
    library.write_bytes(b"\x7fELF\2\1\1".ljust(16, b"\0") + b"\3\0\x3e\0\1\0\0\0".ljust(48, b"\0"))
    os.truncate(library, 10 << 30)
    with wheel.open("wb") as file:
        file.seek(10 << 30)
        file.write(b"PK\5\6".ljust(22, b"\0"))
    told = {library: (0, "0 defined, 0 undefined"), wheel: (2, "more than the limit of 8589934592 (--limit file=")}
    for path, (status, text) in told.items():
        environ = {**os.environ, "ABICLASH_CACHE": str(tmp_path / "cache")}
        full = [sys.executable, "-c", LIMITED, "facts", str(path)]
        began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        done = subprocess.run(full, env=environ, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == status, done
        assert text in done.stdout + done.stderr
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 5

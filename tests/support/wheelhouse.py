"""Real wheels for tests marked `index`: fetched once by pip, kept in the test cache."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.require import cache_folder, missing

_GLIBC = [f"manylinux_2_{minor}" for minor in range(39, 16, -1)] + [
    "manylinux2014",
    "manylinux2010",
    "manylinux1",
    "linux",
]
_MUSL = [f"musllinux_1_{minor}" for minor in range(2, 0, -1)]
_NO_NETWORK = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Connection refused|ConnectTimeout"
    r"|NewConnectionError|Network is unreachable|ProxyError|Read timed out|Max retries exceeded"
)


@dataclass(frozen=True)
class Wheelhouse:
    """Calling it with a pinned requirement returns the wheel file."""

    cache: Path

    @classmethod
    def shared(cls) -> Wheelhouse:
        """Return the wheelhouse in the test cache."""
        return cls(cache_folder("wheels"))

    def __call__(self, requirement: str, *, python: str = "3.11", machine: str = "x86_64", libc: str = "glibc") -> Path:
        """Return the wheel of `name==version` for that CPython; skip the test without network.

        The version must be pinned (with `==`): a test never depends on what was released yesterday.
        """
        if "==" not in requirement:
            message = f"pin {requirement} with =="
            raise ValueError(message)
        slot = self.cache / f"{requirement}-cp{python}-{libc}-{machine}"
        kept = sorted(slot.glob("*.whl"))
        if kept:
            return kept[0]
        with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
            self._download(requirement, python, machine, libc, Path(scratch))
            fetched = next(Path(scratch).glob("*.whl"))
            slot.mkdir(exist_ok=True)
            return fetched.rename(slot / fetched.name)

    def _download(self, requirement: str, python: str, machine: str, libc: str, folder: Path) -> None:
        platforms = [f"--platform={tag}_{machine}" for tag in (_MUSL if libc == "musl" else _GLIBC)]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
        command += [f"--python-version={python}", "--implementation=cp", *platforms, f"--dest={folder}", requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode == 0:
            return
        if _NO_NETWORK.search(done.stderr) or "No module named pip" in done.stderr:
            missing("index", f"needs {requirement} from the package index: {done.stderr.strip().splitlines()[-1]}")
        message = f"pip download {requirement} for Python {python}:\n{done.stderr}"
        raise AssertionError(message)

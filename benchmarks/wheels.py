"""The wheels that benchmarks read: given as arguments, or fetched once by pip into a cache folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEN = (
    "tensorflow==2.19.1",
    "torch==2.13.0",
    "jaxlib",
    "PySide6-Essentials",
    "opencv-python-headless",
    "pyarrow==26.0.1",
    "scipy",
    "numpy",
    "pandas",
    "grpcio",
)
"""What the figures in docs/benchmarks.md are about. A CPU build of torch must be in a find-links folder of pip."""

_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(39, 16, -1)] + ["manylinux2014_x86_64"]


def fetched(requirements: tuple[str, ...], folder: Path | None) -> list[Path]:
    """Return one wheel for CPython 3.11 on x86_64 of each requirement, from `folder` or downloaded into it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abiclash-benchmarks"
    folder = folder or cache
    folder.mkdir(parents=True, exist_ok=True)
    return [_kept(requirement, folder) or _download(requirement, folder) for requirement in requirements]


def _kept(requirement: str, folder: Path) -> Path | None:
    name, _, version = requirement.partition("==")
    stem = name.lower().replace("-", "_")
    found = [path for path in sorted(folder.glob("*.whl")) if path.name.lower().startswith(f"{stem}-{version}")]
    return found[-1] if found else None


def _download(requirement: str, folder: Path) -> Path:
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "-d",
        str(folder),
    ]
    command += ["--python-version=3.11", "--implementation=cp", *(f"--platform={name}" for name in _PLATFORMS)]
    subprocess.run([*command, requirement], check=True)
    path = _kept(requirement, folder)
    assert path is not None
    return path

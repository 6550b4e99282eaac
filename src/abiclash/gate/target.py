"""For which Python and platform a wheel is to be judged: those that its own tags name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from abiclash.errors import UsageError
from abiclash.sources.platform import Platform, Python

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from packaging.tags import Tag

_CPYTHON = re.compile(r"cp3(\d+)")


@dataclass(frozen=True, slots=True)
class Fit:
    """name: normalised project name. python, platform: as `ScanRequest` takes them."""

    name: str
    version: str
    python: str
    platform: str | None


def fit(path: Path) -> Fit:
    """Return where a wheel belongs. Raises UsageError for one that is for no CPython on Linux."""
    name, version, _, tags = parse_wheel_filename(path.name)
    pythons = [python for tag in tags if (python := _python(tag)) is not None]
    if not pythons:
        raise UsageError(f"{path.name}: is for no CPython 3; check wheels for CPython")
    platforms = {tag.platform for tag in tags}
    if platforms == {"any"}:
        return Fit(name, str(version), str(min(pythons, key=_distance)), None)
    linux = [platform for platform in platforms if "linux" in platform]
    if not linux:
        raise UsageError(f"{path.name}: is not for Linux, and other systems are not understood; leave it out")
    return Fit(name, str(version), str(min(pythons, key=_distance)), _platform(linux))


def _python(tag: Tag) -> Python | None:
    """Return the Python to play on: the running one where it fits, else the one that the tag names."""
    running = Python.running()
    if tag.interpreter in {"py3", f"py3{running.minor}"} and tag.abi == "none":
        return Python(running.minor)
    match = _CPYTHON.fullmatch(tag.interpreter)
    if match is None:
        return None
    if tag.abi in {"abi3", "none"}:
        return Python(max(int(match[1]), running.minor))
    return Python(int(match[1]), threaded=tag.abi.endswith("t"))


def _distance(python: Python) -> tuple[int, int, bool]:
    running = Python.running()
    return abs(python.minor - running.minor), python.minor, python.threaded


def _platform(tags: Iterable[str]) -> str:
    """Return the machine with its usual C library, or the tag where it wants a newer or another one."""
    promised = min((Platform.parse(tag) for tag in tags), key=lambda platform: (platform.libc, platform.version))
    usual = Platform.parse(promised.machine)
    same = (promised.libc, promised.machine) == (usual.libc, usual.machine)
    return usual.tag if same and promised.version <= usual.version else promised.tag

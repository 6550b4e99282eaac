"""Run `uv pip compile` for a Python and a platform, and read the lock that it prints."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.sources.platform import Platform, Runtime

_MANYLINUX = {17, 28, *range(31, 41)}  # the glibc versions that uv knows by a --python-platform of their own
_MACHINES = {"x86_64", "aarch64"}
_SECONDS = 1800
"""uv bounds each read, not how many there are: an index may send a byte now and then."""


class UvFailure(Exception):  # noqa: N818 - a result of uv, turned into an error by whoever knows what was asked
    """uv found no solution; the text is all that it said."""


@dataclass(frozen=True)
class Query:
    """One question to uv.

    lines, constraints: requirements. dropped: names of projects to leave out, wherever they are asked for.
    """

    lines: tuple[str, ...]
    runtime: Runtime
    constraints: tuple[str, ...] = ()
    dropped: frozenset[str] = frozenset()
    dependencies: bool = True
    universal: bool = False

    def without(self, name: str) -> Query:
        """Return the question with one more project left out."""
        return replace(self, dropped=self.dropped | {name})


@dataclass(frozen=True)
class Uv:
    """How uv is run. environ: its environment. no_index, offline, refresh: its options of these names."""

    environ: Mapping[str, str]
    no_index: bool = False
    offline: bool = False
    refresh: bool = False
    interpreter: str = field(default=sys.executable)

    @cached_property
    def binary(self) -> str:
        """Path of uv; SourceError where the package is broken."""
        from uv import find_uv_bin  # noqa: PLC0415 - only a resolution needs it

        try:
            return find_uv_bin()
        except FileNotFoundError as error:
            raise SourceError("uv: its program was not found; reinstall abiclash with its dependencies") from error

    def compile(self, query: Query) -> str:
        """Return the answer as the text of a pylock.toml; UvFailure with uv's words where there is none."""
        with tempfile.TemporaryDirectory(prefix="abiclash-") as scratch:
            command = [self.binary, "pip", "compile", "-", *self._options(query, Path(scratch))]
            try:
                done = subprocess.run(
                    command,
                    input="\n".join(query.lines) + "\n",
                    capture_output=True,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    env=dict(self.environ),
                    timeout=_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise UvFailure(f"timed out: no answer of the index in {_SECONDS} s") from late
        if done.returncode:
            raise UvFailure(done.stderr.strip() or f"uv ended with status {done.returncode}")
        return done.stdout

    def _options(self, query: Query, scratch: Path) -> list[str]:
        python = query.runtime.python
        options = ["--format=pylock.toml", "--no-header", "--no-build", f"--python={self.interpreter}"]
        options.append(f"--python-version={python.short if python.patch is None else python.full}")
        if query.universal:
            options.append("--universal")
        elif (platform := exact_platform(query.runtime)) is not None:
            options.append(f"--python-platform={platform}")
        else:
            (scratch / "pyproject.toml").write_text(_project(query.runtime), "utf-8")
            options += ["--universal", f"--project={scratch}"]
        for option, lines in (("constraints", query.constraints), ("overrides", _never(query.dropped))):
            if lines:
                (scratch / option).write_text("\n".join(lines) + "\n", "utf-8")
                options.append(f"--{option}={scratch / option}")
        flags = {
            "--no-deps": not query.dependencies,
            "--no-index": self.no_index,
            "--offline": self.offline,
            "--refresh": self.refresh and not self.offline,
        }
        return options + [flag for flag, wanted in flags.items() if wanted]


def exact_platform(runtime: Runtime) -> str | None:
    """Return uv's name of a platform that accepts the same wheels, or None.

    Without one, uv resolves for every wheel of the machine, and whoever asks must choose among them.
    """
    platform = runtime.platform
    if platform.machine not in _MACHINES or runtime.python.threaded:
        return None
    if platform.libc == "musl":
        return f"{platform.machine}-unknown-linux-musl" if platform.version == (1, 2) else None
    return _manylinux(platform)


def _manylinux(platform: Platform) -> str | None:
    # No wheel asks for more than uv's newest, so that one is exact for all newer ones as well.
    minor = min(platform.version[1], max(_MANYLINUX))
    return f"{platform.machine}-manylinux_2_{minor}" if minor in _MANYLINUX else None


def _project(runtime: Runtime) -> str:
    """Return a project that limits uv's universal resolution to one machine and one minor version of CPython.

    `required-environments` makes uv refuse versions that have no wheel for this machine.
    """
    markers = runtime.markers
    environment = " and ".join(
        [
            *(f"{name} == '{markers[name]}'" for name in ("sys_platform", "platform_machine", "implementation_name")),
            f"python_full_version >= '{runtime.python.full}'",
            f"python_full_version < '3.{runtime.python.minor + 1}'",
        ]
    )
    return (
        f'[project]\nname = "abiclash-targets"\nversion = "0"\nrequires-python = ">={runtime.python.full}"\n\n'
        f'[tool.uv]\nenvironments = ["{environment}"]\nrequired-environments = ["{environment}"]\n'
    )


def _never(names: frozenset[str]) -> tuple[str, ...]:
    """Return overrides that are true nowhere: uv then leaves the project out, whoever asks for it."""
    return tuple(f"{name} ; python_version < '0'" for name in sorted(names))

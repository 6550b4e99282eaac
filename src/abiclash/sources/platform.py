"""The machine that a scan is about: which wheels it takes, and what markers are true on it."""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass
from platform import machine as running_machine
from typing import TYPE_CHECKING, Literal

from packaging.tags import Tag, compatible_tags, cpython_tags

from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Libc = Literal["glibc", "musl"]

MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64")
_SYNONYMS = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686", "i586": "i686", "x86": "i686", "armhf": "armv7l"}
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}  # PEP 513, 571, 599
_ALIASES = {version: name for name, version in _LEGACY.items()}
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}  # PEP 600: the others begin with manylinux2014
_FIRST_RISCV_GLIBC = (2, 39)  # the first for which build images of riscv64 exist
_USUAL_GLIBC = (2, 36)
_USUAL_MUSL = (1, 2)
_OLDEST_PYTHON = (3, 6)

_PLATFORM = re.compile(
    r"(?:(?P<libc>manylinux|musllinux)_(?P<major>\d+)_(?P<minor>\d+)|(?P<legacy>manylinux(?:1|2010|2014))|linux)"
    r"(?:_(?P<machine>\w+))?"
)
_PYTHON = re.compile(r"(?:cp)?3\.(?P<minor>\d{1,2})(?:\.(?P<patch>\d{1,3}))?(?P<threaded>t?)")


@dataclass(frozen=True, slots=True, order=True)
class Python:
    """A CPython release. patch: None where only the minor version is known. threaded: built without the GIL."""

    minor: int
    patch: int | None = None
    threaded: bool = False

    @classmethod
    def parse(cls, text: str) -> Python:
        """Return the release that `3.11`, `3.11.7` or `3.13t` names; UsageError for anything else."""
        match = _PYTHON.fullmatch(text.strip())
        if match is None or int(match["minor"]) < _OLDEST_PYTHON[1]:
            raise UsageError(f"Python {text!r}: not a CPython version; give 3.6 or newer, like 3.11, 3.11.7 or 3.13t")
        patch = match["patch"]
        return cls(int(match["minor"]), None if patch is None else int(patch), bool(match["threaded"]))

    @classmethod
    def running(cls) -> Python:
        """Return the release that runs abiclash."""
        return cls(sys.version_info.minor, sys.version_info.micro, "t" in sys.abiflags)

    @property
    def short(self) -> str:
        """`3.11`: the version that wheels are built for."""
        return f"3.{self.minor}"

    @property
    def full(self) -> str:
        """`3.11.7`; the first release of the minor version where the patch is not known, as uv assumes."""
        return f"3.{self.minor}.{self.patch or 0}"

    @property
    def abi(self) -> str:
        """The ABI tag. Until 3.7 a build with pymalloc, as all distributed ones are, was marked `m`."""
        return f"cp3{self.minor}" + ("m" if self.minor < 8 else "t" if self.threaded else "")

    def __str__(self) -> str:
        return (self.short if self.patch is None else self.full) + ("t" if self.threaded else "")


@dataclass(frozen=True, slots=True)
class Platform:
    """Machine and C library that wheels must run on.

    machine: one of `MACHINES`. version: of the C library; a wheel made for a newer one is not taken.
    """

    machine: str
    libc: Libc
    version: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Return the platform that a wheel's platform tag, a legacy alias or a bare machine name means.

        Without a machine the running one is meant, without a C library glibc in this machine's version.
        Raises UsageError, which lists the forms.
        """
        name = text.strip().lower().replace("-", "_")
        if name in MACHINES or name in _SYNONYMS:
            name = f"linux_{name}"
        match = _PLATFORM.fullmatch(name)
        machine = _known_machine(match["machine"] or running_machine()) if match else None
        if match is None or machine is None:
            raise UsageError(
                f"platform {text!r}: not a Linux platform; give a wheel's platform tag (manylinux_2_28_x86_64,"
                f" manylinux2014_aarch64, musllinux_1_2_x86_64) or a machine ({', '.join(MACHINES)})"
            )
        if match["legacy"]:
            return cls(machine, "glibc", _LEGACY[match["legacy"]])
        if match["libc"]:
            libc: Libc = "glibc" if match["libc"] == "manylinux" else "musl"
            return cls(machine, libc, _existing(text, libc, (int(match["major"]), int(match["minor"]))))
        return _usual(machine)

    @classmethod
    def running(cls) -> Platform:
        """Return this machine's platform; x86_64 with a usual glibc where the machine's kind is not supported."""
        return _usual(_known_machine(running_machine()) or "x86_64")

    @property
    def tag(self) -> str:
        """The platform tag of PEP 600 or PEP 656."""
        return f"{'manylinux' if self.libc == 'glibc' else 'musllinux'}_{_dotted(self.version, '_')}_{self.machine}"

    def tags(self) -> list[str]:
        """Return the platform tags of the wheels it takes, best first, as `packaging.tags` orders them."""
        major, newest = self.version
        tags = [f"linux_{self.machine}"]
        if self.libc == "musl":
            return tags + [f"musllinux_{major}_{minor}_{self.machine}" for minor in range(newest, -1, -1)]
        for minor in range(newest, _OLDEST_GLIBC.get(self.machine, 17) - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if alias := _ALIASES.get((2, minor)):
                tags.append(f"{alias}_{self.machine}")
        return tags

    def __str__(self) -> str:
        return self.tag


@dataclass(frozen=True)
class Runtime:
    """A Python on a platform: what decides which wheels fit and which dependencies apply."""

    python: Python
    platform: Platform

    @functools.cached_property
    def tags(self) -> tuple[Tag, ...]:
        """Compatibility tags, best first."""
        version, platforms = (3, self.python.minor), self.platform.tags()
        own = cpython_tags(version, abis=[self.python.abi], platforms=platforms)
        return (*own, *compatible_tags(version, f"cp3{self.python.minor}", platforms))

    @functools.cached_property
    def markers(self) -> Mapping[str, str]:
        """Values of the environment markers, without `extra`."""
        return environment_markers(self.python.full, self.platform.machine)

    def __str__(self) -> str:
        return f"CPython {self.python} on {self.platform}"


def environment_markers(release: str, machine: str) -> dict[str, str]:
    """Return the environment markers (PEP 508) of CPython on Linux, without `extra`. release: such as 3.11.7."""
    return {
        "implementation_name": "cpython",
        "implementation_version": release,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": release,
        "python_version": release.rpartition(".")[0],
        "sys_platform": "linux",
    }


def _known_machine(name: str) -> str | None:
    name = name.lower()
    name = _SYNONYMS.get(name, name)
    return name if name in MACHINES else None


def _existing(text: str, libc: Libc, version: tuple[int, int]) -> tuple[int, int]:
    """Return the version if such a C library can exist: tags of glibc 3 or musl 0 would silently match nothing."""
    if version[0] != (2 if libc == "glibc" else 1) or version[1] > 99:
        raise UsageError(f"platform {text!r}: there is no {libc} {_dotted(version, '.')}")
    return version


def _usual(machine: str) -> Platform:
    """Return glibc in this machine's version: a scan for another machine otherwise is like one for this."""
    libc, version = _running_libc()
    if libc == "musl":
        return Platform(machine, libc, version)
    return Platform(machine, libc, max(version, _FIRST_RISCV_GLIBC) if machine == "riscv64" else version)


def _running_libc() -> tuple[Libc, tuple[int, int]]:
    try:
        reported = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        # musl has no such name; what is neither (macOS, say) judges for a usual glibc.
        return ("musl", _USUAL_MUSL) if "musl" in str(getattr(sys.implementation, "_multiarch", "")) else _unknown()
    match = re.fullmatch(r"glibc (\d+)\.(\d+).*", reported)
    return ("glibc", (int(match[1]), int(match[2]))) if match else _unknown()


def _unknown() -> tuple[Libc, tuple[int, int]]:
    return "glibc", _USUAL_GLIBC


def _dotted(version: tuple[int, int], separator: str) -> str:
    return separator.join(map(str, version))

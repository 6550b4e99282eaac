"""Packages that a set of wheels requires and does not hold: an import of them succeeds, as far as anybody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from abiclash.imports.files import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.imports.world import Python


TAKEN_TO_SUCCEED = "of a package that is required and not among what was read; it is taken to succeed"


def absent(requirements: Iterable[str], present: Iterable[str], python: Python) -> frozenset[str]:
    """Return the normalised names of distributions that are required on `python` but not present.

    requirements: Requires-Dist lines; those of extras do not count. present: normalised names.
    """
    markers = _markers(python)
    missing: set[str] = set()
    for line in requirements:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue
        if wanted.marker is None or wanted.marker.evaluate(markers):
            missing.add(normalised(wanted.name))
    return frozenset(missing.difference(present))


def _markers(python: Python) -> dict[str, str | frozenset[str]]:
    """Return the values of the environment markers (PEP 508)."""
    release = ".".join(map(str, python.version))
    return {
        "extra": "",
        "implementation_name": "cpython",
        "implementation_version": release,
        "os_name": "posix",
        "platform_machine": python.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": release,
        "python_version": f"{python.version[0]}.{python.version[1]}",
        "sys_platform": "linux",
    }

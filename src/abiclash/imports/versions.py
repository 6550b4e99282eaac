"""Version numbers that a module compares to choose what it imports."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version

from abiclash.imports.values import UNKNOWN, Thing, Value

_ATTRIBUTES = frozenset(
    ("base_version", "public", "major", "minor", "micro", "release", "is_prerelease", "is_devrelease")
)


def make_version(value: Value) -> Thing | None:
    """Return a version object of a text (or of another one), None where it is none that PEP 440 knows."""
    if isinstance(value, Thing) and value.kind == "version":
        return value
    if not isinstance(value, str):
        return None
    try:
        Version(value)
    except InvalidVersion:
        return None
    return Thing("version", value)


def version_attribute(thing: Thing, name: str) -> Value:
    """Return an attribute of a version object."""
    if name in _ATTRIBUTES:
        return getattr(Version(thing.text), name)
    if name in ("version", "vstring"):
        return list(Version(thing.text).release) if name == "version" else thing.text
    return UNKNOWN


def as_version(value: Value) -> Version | None:
    """Return what a known version object or text compares as."""
    made = make_version(value)
    return None if made is None else Version(made.text)

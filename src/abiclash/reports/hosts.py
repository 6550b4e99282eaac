"""Host profiles, listed and described."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from abiclash.reports.safe import inert, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abiclash.reports.paint import Paint
    from abiclash.sources.host_profile import HostProfile
    from abiclash.sources.profiles import Summary

Described = dict[str, object]
"""A profile as JSON values, in the order in which it is shown."""


def of_summary(profile: Summary) -> Described:
    """Describe a profile that is kept in a file."""
    return {
        "name": profile.name,
        "machine": profile.machine,
        "libc": f"{profile.libc} {_dotted(profile.libc_version)}",
        "pythons": [f"{version} ({variant})" for version, variant in profile.interpreters],
        "objects": profile.objects,
        "bytes": profile.size,
        "file": str(profile.path),
        "provenance": list(profile.provenance),
    }


def of_live(profile: HostProfile) -> Described:
    """Describe this machine as the dynamic linker sees it."""
    interpreter = profile.interpreter
    return {
        "name": profile.name,
        "machine": profile.machine,
        "libc": f"{profile.libc} {_dotted(profile.libc_version)}",
        "pythons": [f"{interpreter.release} ({interpreter.variant})"],
        "executable": interpreter.executable,
        "library path": list(profile.library_path),
        "default folders": list(profile.default_dirs),
        "hwcaps": list(profile.hwcaps),
        "libraries in ld.so.cache": len(profile.cache),
        "static TLS surplus": profile.static_tls_surplus,
        "tunables": dict(sorted(profile.tunables.items())),
        "provenance": list(profile.provenance),
    }


def listing(profiles: Iterable[Summary], paint: Paint) -> str:
    """Return a line for each profile."""
    described = [of_summary(profile) for profile in profiles]
    head = tuple(paint(title, "dim") for title in ("name", "machine", "libc", "pythons"))
    rows = [(_text(d["name"]), _text(d["machine"]), _text(d["libc"]), _text(d["pythons"])) for d in described]
    return "".join(f"{line}\n" for line in paint.columns([head, *rows]))


def one(described: Mapping[str, object], paint: Paint) -> str:
    """Return one profile as text."""
    rows = [(f"{key}:", _text(value)) for key, value in described.items() if value not in ([], {}, "")]
    return "".join(f"{line}\n" for line in paint.columns(rows))


def as_json(profiles: Iterable[Summary]) -> str:
    """Return the list as a JSON array."""
    return json.dumps(inert([of_summary(profile) for profile in profiles]), indent=2) + "\n"


def one_as_json(described: Mapping[str, object]) -> str:
    """Return one profile as a JSON object."""
    return json.dumps(inert(described), indent=2) + "\n"


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(item)}" for key, item in value.items())
    return f"{value:,}" if isinstance(value, int) else name(str(value))


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"

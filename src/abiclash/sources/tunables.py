"""glibc's tunables, as far as they decide what loads (glibc elf/dl-tunables.c, elf/dl-tunables.list)."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOUNDS = {
    "rtld.nns": (1, 16, 4),
    "rtld.optional_static_tls": (0, 2**64 - 1, 512),
    "rtld.dynamic_sort": (1, 2, 2),
    "rtld.execstack": (0, 2, 1),
}
DEFAULTS: Mapping[str, int] = MappingProxyType({name: default for name, (_, _, default) in _BOUNDS.items()})
"""Values of a process without GLIBC_TUNABLES. A tunable that its glibc does not know has no effect there."""

_NUMBER = re.compile(r"[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")
_LIBC_IE_TLS = 144
_OTHER_IE_TLS = 144
_NAMESPACES = 16  # DL_NNS


def parse_tunables(text: str) -> Mapping[str, int]:
    """Return the tunables that GLIBC_TUNABLES=`text` sets, with the defaults of the others.

    Like glibc 2.39 `parse_tunables_string`: an ill-formed string is ignored as a whole; a value out of its bounds,
    or not a number, leaves the default; the last of several settings counts. The names have no `glibc.` prefix.
    """
    values = dict(DEFAULTS)
    settings = _settings(text)
    for name, value in settings:
        known = _BOUNDS.get(name.removeprefix("glibc."))
        if known is None or not name.startswith("glibc."):
            continue
        number = _number(value)
        values[name.removeprefix("glibc.")] = (
            number if number is not None and known[0] <= number <= known[1] else known[2]
        )
    return MappingProxyType(values)


def _settings(text: str) -> list[tuple[str, str]]:
    """`name=value` pairs; empty when the string is ill-formed."""
    settings = []
    pieces = text.split(":")
    for place, piece in enumerate(pieces):
        name, equals, value = piece.partition("=")
        if "=" in value or (not equals and place == len(pieces) - 1):
            return []
        if equals:
            settings.append((name, value))
    return settings


def _number(text: str) -> int | None:
    """The value that _dl_strtoul reads: decimal, 0x hexadecimal or 0 octal, and nothing behind it."""
    if not _NUMBER.fullmatch(text):
        return None
    digits = text.lstrip("+-")
    if digits[:2].lower() == "0x":
        value = int(digits, 16)
    elif digits.startswith("0") and set(digits) <= set("01234567"):
        value = int(digits, 8)
    elif digits.startswith("0"):
        return None
    else:
        value = int(digits)
    return value % 2**64 if not text.startswith("-") else -value % 2**64


def static_tls_surplus(tunables: Mapping[str, int], version: tuple[int, int], audit_modules: int = 0) -> int:
    """Return the bytes that glibc of that version sets aside for initial-exec TLS of objects that come by dlopen.

    Since 2.32 glibc elf/dl-tls.c `_dl_tls_static_surplus_init`; before, the constant TLS_STATIC_SURPLUS
    (64 + DL_NNS * 100). What is left at start-up is this plus the rounding of the static block to its alignment.
    """
    if version < (2, 32):
        return 64 + _NAMESPACES * 100
    optional = tunables.get("rtld.optional_static_tls", DEFAULTS["rtld.optional_static_tls"])
    spaces = min(tunables.get("rtld.nns", DEFAULTS["rtld.nns"]), _NAMESPACES) + audit_modules
    legacy = 1664 - _surplus(DEFAULTS["rtld.nns"], DEFAULTS["rtld.optional_static_tls"])
    return _surplus(spaces, optional) + legacy


def _surplus(namespaces: int, optional: int) -> int:
    return (namespaces - 1) * _LIBC_IE_TLS + namespaces * _OTHER_IE_TLS + optional

"""What a wheel may ask of this machine before it, or a member of it, is refused."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Self

from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = "ABICLASH_MAX_"
_AMOUNT = re.compile(r"(?P<number>\d{1,15})(?P<unit>[KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force (a zip bomb is a few kilobytes, and inflates to terabytes).

    file: bytes of a file on disk that is hashed, as a wheel is. directory: bytes of the zip directory. members: number
    of members. name: bytes of a member's name. member: bytes of one inflated member. total: bytes of all inflated
    members. ratio: inflated to packed bytes, of members beyond `free` bytes. text: bytes of a member that is read as a
    whole (metadata, Python source). download: bytes of a file that a server sends without having promised its size.
    """

    file: int = 8 << 30
    directory: int = 64 << 20
    members: int = 250_000
    name: int = 1024
    member: int = 8 << 30
    total: int = 64 << 30
    ratio: int = 250
    free: int = 64 << 20
    text: int = 32 << 20
    download: int = 16 << 30

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the limits with what ABICLASH_MAX_<LIMIT> changes of them. Raises UsageError."""
        given = os.environ if environ is None else environ
        variables = {field.name: _VARIABLE + field.name.upper() for field in fields(cls)}
        return cls(**{name: _amount(key, given[key]) for name, key in variables.items() if given.get(key)})

    @property
    def key(self) -> str:
        """A short name of limits that are not the usual ones, '' for those: what they refuse is kept apart."""
        if self == type(self)():
            return ""
        return "-" + hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:8]


def set_limit(text: str) -> None:
    """Put a limit written NAME=AMOUNT in force for this process and those that it starts. Raises UsageError."""
    name, separator, amount = text.partition("=")
    known = [field.name for field in fields(Limits)]
    if not separator or name not in known:
        raise UsageError(f"--limit {text}: write NAME=AMOUNT, with one of the names {', '.join(known)}")
    _amount(f"--limit {name}", amount)
    os.environ[_VARIABLE + name.upper()] = amount


def over(name: str, value: int) -> str:
    """Return the words for a limit that something goes beyond, and how to raise it."""
    return f"more than the limit of {value} (--limit {name}={value})"


def _amount(source: str, text: str) -> int:
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{source}={text}: not an amount; write a number, or one with K, M, G or T behind it")
    return int(match["number"]) << _UNITS[match["unit"].lower()]

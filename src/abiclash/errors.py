"""The exceptions of abiclash, and the record of what could not be judged.

Every error that a user can cause or meet is an `AbiclashError`; its message says what, where and what to do.
Only `cli` turns one into an exit status. Broken input is data, not an exception for its caller: a reader raises,
and whoever reads a set of things turns that into a `NotAnalysed` and goes on with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass


class AbiclashError(Exception):
    """Base of all errors that abiclash raises on purpose."""


class UsageError(AbiclashError):
    """The request itself makes no sense (unknown option value, unreadable argument)."""


class SourceError(AbiclashError):
    """A target could not be resolved, found or fetched."""


class FactsError(AbiclashError):
    """A file could not be read as what it claims to be (ELF, wheel, metadata)."""


class ElfError(FactsError):
    """Bytes that are not a readable ELF object."""


class WheelError(FactsError):
    """A file that is not a readable wheel."""


class StoreError(AbiclashError):
    """The store cannot be read or written."""


class LabError(AbiclashError):
    """An experiment could not be run."""


@dataclass(frozen=True, slots=True, order=True)
class NotAnalysed:
    """One thing that could not be judged: a result in its own right, shown in every format.

    what: the wheel, object or condition, as a user would name it (`wheel!member` for a part of a wheel).
    reason: one sentence.
    """

    what: str
    reason: str

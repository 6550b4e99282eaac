"""What an investigation found: all that a report shows. Paths are relative to site-packages where they can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.errors import NotAnalysed
    from abiclash.rules.model import Finding, ScannedPackage


class Status(StrEnum):
    """proven: one change ends the failure, and the same change alone brings it into a run that works. supported: one
    of the two holds. open: neither was found.
    """

    PROVEN = "proven"
    SUPPORTED = "supported"
    OPEN = "open"


TAKERS_HIDE = "in those who get them, hide their own definitions"
"""What an attempt does that edits the side which gets another's definitions."""


class Role(StrEnum):
    """What an attempt was made for."""

    REMOVAL = "removal"
    RESTORATION = "restoration"
    PLACEBO = "placebo"
    REMEDY = "remedy"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended. exit: status, or minus the signal. text: in words. detail: last line of stderr."""

    exit: int
    text: str
    detail: str = ""

    @property
    def works(self) -> bool:
        return self.text == "works"

    def same_failure(self, other: Outcome) -> bool:
        return not self.works and self.text == other.text


@dataclass(frozen=True, slots=True)
class Program:
    """Statements that one process runs, and how they ended."""

    statements: tuple[str, ...]
    outcome: Outcome

    def __str__(self) -> str:
        return "; ".join(self.statements)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the crash. function: as gdb has it, '??' where unknown. object: '' where unknown."""

    number: int
    function: str
    object: str


@dataclass(frozen=True, slots=True)
class Crash:
    """Where the failing program ended. tool: `gdb`, `faulthandler` or ''. null_jump: the program counter was 0.

    registers: name -> value in hex; they change from run to run. section: of the object that the program counter is in.
    """

    tool: str
    frames: tuple[Frame, ...] = ()
    null_jump: bool = False
    registers: Mapping[str, str] = field(default_factory=dict)
    section: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One reference that gets another definition in the failing run than in the one that works."""

    source: str
    symbol: str
    version: str
    failing: str
    passing: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run with exactly one thing changed.

    what: the change. program: what was run, in words. symbols, objects: what was edited. good: it went as the
    hypothesis says it must.
    """

    role: Role
    what: str
    program: str
    outcome: Outcome
    good: bool
    symbols: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspect:
    """A hypothesis. kind: `definitions` (others get definitions of `object`), `library` (`object` is taken for another
    library of its name), `static-tls`, `registry` (`object` enters names that another package enters, too; `finding`
    is the registry). package: owner of `object`. rule: id of the finding that names it, or ''.
    """

    kind: str
    object: str
    package: str
    symbols: tuple[str, ...] = ()
    rule: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """A suspect and what the attempts said of it.

    removing: smallest set of symbols (of a registry: names) whose change ends the failure; restoring: smallest that
    brings it into a working run. minimal: whether both were minimised to the end.
    """

    suspect: Suspect
    status: Status
    removing: tuple[str, ...]
    restoring: tuple[str, ...]
    minimal: bool
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many bindings of a run were observed, and how many of them the model predicts given its loads."""

    program: str
    observed: int
    agree: int
    extra: int


@dataclass(frozen=True, slots=True, order=True)
class Bound:
    """One reference and the object whose definition it gets."""

    source: str
    symbol: str
    target: str


@dataclass(frozen=True, slots=True)
class Scope:
    """The objects that a look-up for `source` asks, in order, up to the one that answers. after: how many follow."""

    source: str
    asked: tuple[str, ...]
    after: int


@dataclass(frozen=True, slots=True)
class Value:
    """What a pointer variable held just before the failing statement.

    object: that defines the variable. target: the object that it points into, `null`, or `data` (nothing loaded).
    function: the nearest exported symbol there, or ''.
    """

    object: str
    symbol: str
    target: str
    function: str


@dataclass(frozen=True, slots=True, order=True)
class Size:
    """A variable that `object` exports, and its size in bytes."""

    symbol: str
    object: str
    size: int


@dataclass(frozen=True, slots=True)
class Load:
    """One object of a run. package: `name-version` of its owner, '' for the host's."""

    path: str
    package: str


@dataclass(frozen=True, slots=True)
class Investigation:
    """The whole. python: release of the interpreter. pins: what is installed. cause: the best; others: tried before.

    failing, passing: the two programs that are compared; None where nothing failed. loads: objects in order of
    loading, of both programs. hashes: sha256 of each object that is named in the cause. bound, scopes: of the cause's
    symbols, in the failing and in the working run. values, sizes: of its variables.
    """

    targets: tuple[str, ...]
    python: str
    libc: str
    pins: tuple[str, ...]
    packages: tuple[ScannedPackage, ...]
    programs: tuple[Program, ...]
    failing: Program | None = None
    passing: Program | None = None
    crash: Crash | None = None
    agreements: tuple[Agreement, ...] = ()
    changes: tuple[Change, ...] = ()
    failing_loads: tuple[Load, ...] = ()
    passing_loads: tuple[Load, ...] = ()
    findings: tuple[Finding, ...] = ()
    cause: Cause | None = None
    bound: tuple[tuple[Bound, ...], tuple[Bound, ...]] = ((), ())
    scopes: tuple[tuple[Scope, ...], tuple[Scope, ...]] = ((), ())
    values: tuple[Value, ...] = ()
    sizes: tuple[Size, ...] = ()
    ruled_out: tuple[Cause, ...] = ()
    remedies: tuple[Attempt, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    not_analysed: tuple[NotAnalysed, ...] = ()
    seconds: float = 0.0

"""What a rule states and what a scan ends in: findings, verdicts, and how much of the input they rest on.

Names of symbols and files are kept raw (undecodable bytes as surrogate escapes); reports make them fit to be shown.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from abiclash.errors import NotAnalysed

SCHEMA = "urn:abiclash:scan:1"
"""Identifies the JSON form of a scan. Additions keep it; a removal or a change of meaning raises its number."""


class Severity(StrEnum):
    """SARIF's levels.

    error: it will fail or corrupt, the model shows it. warning: another package's code or data is used where it was
    not meant. note: a hazard without a victim in this set.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the most severe."""
        return list(Severity).index(self)


class Confidence(StrEnum):
    """How sure a finding is.

    certain: follows from facts and ld.so's rules for loads that surely happen. likely: the load plan or the
    consequence is inferred. possible: a condition at run time decides.
    """

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Audience(StrEnum):
    """Who wants to read it: whoever installs packages together, who builds one of them, or who studies them all."""

    USER = "user"
    MAINTAINER = "maintainer"
    RESEARCHER = "researcher"


class Outcome(StrEnum):
    """What the model says of one import order."""

    CLEAN = "clean"
    CONFLICT = "conflict"
    LOAD_FAILURE = "load-failure"


@dataclass(frozen=True, slots=True, order=True)
class PackageId:
    """A package as a finding names it. name: normalised project name; version: '' where unknown (bare objects)."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that helps. who: "user" or "maintainer of NAME". checked: the model played it and found it clean."""

    who: str
    text: str
    checked: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule's statement: one cause, however many symbols it touches.

    id: stable fingerprint, see `fingerprint`. failing_order, safe_order: names of packages in import order, None
    where no order matters or none is safe. objects: paths, relative to site-packages or absolute on the host.
    symbols: raw names, all of them. summary: one plain sentence. explanation: for someone who types
    `pip install`: the chain of causes, paragraphs separated by an empty line. evidence: JSON values only; of its keys
    `bindings`, `failing_orders` and `stage` ("import" or "use") mean the same everywhere.
    silent: the consequence is a wrong result, not a crash.
    """

    id: str
    rule: str
    severity: Severity
    confidence: Confidence
    audience: Audience
    packages: tuple[PackageId, ...]
    summary: str
    explanation: str
    advice: tuple[Advice, ...]
    failing_order: tuple[str, ...] | None = None
    safe_order: tuple[str, ...] | None = None
    objects: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)
    silent: bool = False


def failing_orders(finding: Finding) -> list[tuple[str, ...]]:
    """Return all orders in which a finding says that it happens; none where no order matters."""
    stated = finding.evidence.get("failing_orders")
    others = [tuple(map(str, order)) for order in stated if order] if isinstance(stated, list) else []
    return list(dict.fromkeys([*([finding.failing_order] if finding.failing_order else []), *others]))


def by_weight(finding: Finding) -> tuple[int, int, str, tuple[PackageId, ...], str]:
    """Sort key of findings: the gravest and surest first, then by rule, packages and fingerprint."""
    confidence = list(Confidence).index(finding.confidence)
    return finding.severity.rank, confidence, finding.rule, finding.packages, finding.id


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the input a statement rests on.

    references: relocations' uses of symbols in the loads that were played; resolved: those whose binding the
    model knows. objects, objects_read: ELF files met, and those that could be read. loads: number of planned loads
    by how they are known ("observed", "source", "string", "runtime", "assumed").
    """

    references: int = 0
    resolved: int = 0
    objects: int = 0
    objects_read: int = 0
    loads: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the model says of importing packages in `order` (their names)."""

    order: tuple[str, ...]
    outcome: Outcome
    coverage: Coverage


@dataclass(frozen=True, slots=True, order=True)
class ScannedPackage:
    """A package that took part. wheel: file name, sha256: hex; both '' for an installed package or bare objects.

    modules: what importing it means.
    """

    name: str
    version: str
    wheel: str = ""
    sha256: str = ""
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """The host profile that was used. profile: its name, "live" for this machine. python: "3.11" or "3.11.7"."""

    profile: str
    machine: str
    libc: str
    libc_version: str
    python: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """Everything that a report shows. version: of abiclash. targets: as the user named them."""

    version: str
    targets: tuple[str, ...]
    packages: tuple[ScannedPackage, ...]
    host: Host
    orders: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    not_analysed: tuple[NotAnalysed, ...]
    coverage: Coverage
    schema: str = SCHEMA


_HASH = re.compile(r"-[0-9a-f]{8}(?=\.)")  # auditwheel's, before the first dot of the name
_BUILD_TAG = re.compile(r"\.(cpython-\w+(-[\w-]+)?|abi3|pypy\w+(-[\w-]+)?)(?=\.so)")
_SO_VERSION = re.compile(r"(?<=\.so)[.\d]+$")


def stable_name(path: str) -> str:
    """Return an object's path without what changes from release to release or from host to host.

    That is: auditwheel's hash, the interpreter's tag, the number after `.so`, and a host's folders.
    """
    name = path.rsplit("/", 1)[-1] if path.startswith("/") else path
    return _SO_VERSION.sub("", _BUILD_TAG.sub("", _HASH.sub("", name)))


def fingerprint(rule: str, packages: Iterable[str], key: Iterable[str]) -> str:
    """Return a finding's id, `rule-xxxxxxxx`: equal for the same cause in other versions, orders and hosts.

    packages: names without versions. key: what tells two findings of one rule on the same packages apart: names that
    do not come and go with every release; of paths only what `stable_name` leaves counts. Order does not matter.
    """
    parts = (packages, {stable_name(text) for text in key})
    text = "\0\0".join("\0".join(sorted(set(part))) for part in parts)
    digest = hashlib.sha256(f"{rule}\0\0{text}".encode("utf-8", "surrogateescape"))
    return f"{rule}-{digest.hexdigest()[:8]}"

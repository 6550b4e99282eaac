"""The graph as plain values: what networkx, drawings and the HTML report are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abiclash.rules.model import Severity


class NodeKind(StrEnum):
    """package: of the set. object: an ELF file of a package. host: one of the host. symbols: a finding's cause."""

    PACKAGE = "package"
    OBJECT = "object"
    HOST = "host"
    SYMBOLS = "symbols"


class EdgeKind(StrEnum):
    """What an edge says of its source and target; the weight counts what stands in brackets.

    contains: a package installs an object (1). needs: DT_NEEDED, as it was resolved (1). binds-to: references that
    are bound to a definition of the target (symbols). captures: the source's definitions are used by the target
    instead of the target's own (symbols). shadows: the source's definitions are found where, without company, the
    target's would be (symbols). shares-soname: different files under one DT_SONAME (1). duplicates-weak,
    duplicates-unique: names that both define as STB_WEAK, as STB_GNU_UNIQUE (symbols). differs-in-abi: variables of
    one name and two sizes of which one is used for the other (symbols), or what a rule found to differ (1).
    concerns: a cause and whom it is about (1).
    """

    CONTAINS = "contains"
    NEEDS = "needs"
    BINDS_TO = "binds-to"
    CAPTURES = "captures"
    SHADOWS = "shadows"
    SHARES_SONAME = "shares-soname"
    DUPLICATES_WEAK = "duplicates-weak"
    DUPLICATES_UNIQUE = "duplicates-unique"
    DIFFERS_IN_ABI = "differs-in-abi"
    CONCERNS = "concerns"

    @property
    def mutual(self) -> bool:
        """Whether it has no direction."""
        return self in _MUTUAL


_MUTUAL = frozenset(
    {EdgeKind.SHARES_SONAME, EdgeKind.DUPLICATES_WEAK, EdgeKind.DUPLICATES_UNIQUE, EdgeKind.DIFFERS_IN_ABI}
)


@dataclass(frozen=True, slots=True)
class Node:
    """name: of the package, the object's path as findings write it, or the finding's id: unique with its kind.

    label: a few words to draw. package: the owner of an object. version, requested: of a package. soname, size (bytes
    of the file): of an object. severity: the worst of its findings, None without one. findings: ids, sorted by weight.
    symbols: raw names, of a cause.
    """

    kind: NodeKind
    name: str
    label: str
    package: str | None = None
    version: str = ""
    requested: bool = False
    soname: str | None = None
    size: int = 0
    severity: Severity | None = None
    findings: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """source, target: indices into `Graph.nodes`; the smaller one first where the kind is mutual.

    weight: the most of them in any one process. findings: ids that rest on it. orders: indices into `Graph.orders`
    in which it holds; empty where it holds in every order that was played. symbols: some of the raw names.
    """

    source: int
    target: int
    kind: EdgeKind
    weight: int = 1
    findings: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """nodes: packages first, as they are imported, then objects, the host's files and causes. edges: sorted.

    orders: the import orders that were played; of one package alone where nothing else was asked for.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    orders: tuple[tuple[str, ...], ...]

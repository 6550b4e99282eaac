"""From what was played and found to the graph."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

from abiclash.graph.doubles import duplicates, shared_sonames
from abiclash.graph.model import Edge, EdgeKind, Graph, Node, NodeKind
from abiclash.graph.ties import Ties, played_ties
from abiclash.rules.model import by_weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding

_ABI_RULES = frozenset({"cxx11-abi", "mixed-class", "odr-mismatch", "python-abi", "size-mismatch"})
"""Rules that say of two sides that what they exchange is not the same thing."""
_EVIDENCE = frozenset(EdgeKind) - {EdgeKind.CONTAINS, EdgeKind.NEEDS, EdgeKind.BINDS_TO, EdgeKind.CONCERNS}
"""Kinds that a finding rests on where it names both ends; of bindings, only those that it lists."""


def graph_of(case: Case, findings: Iterable[Finding]) -> Graph:
    """Return the graph of everything that was loaded in some process, and of all that findings name."""
    builder = _Builder(case, sorted(findings, key=by_weight))
    builder.place_nodes()
    return Graph(tuple(builder.nodes), tuple(builder.edges()), builder.orders)


@dataclass
class _Builder:
    case: Case
    findings: Sequence[Finding]
    runs: tuple[Run, ...] = ()
    orders: tuple[tuple[str, ...], ...] = ()
    nodes: list[Node] = field(default_factory=list)
    loaded: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # file -> bit mask of orders
    by_file: dict[int, int] = field(default_factory=dict)
    by_name: dict[tuple[NodeKind, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = self.case.together or tuple(self.case.alone.values())
        self.orders = tuple(dict.fromkeys(run.order for run in self.runs))
        bits = {order: 1 << number for number, order in enumerate(self.orders)}
        for run in (*self.case.alone.values(), *self.runs):
            for file in run.process.maps:
                self.loaded[file] |= bits.get(run.order, 0)

    # -- nodes ----------------------------------------------------------------------------------------------------

    def place_nodes(self) -> None:
        """Make the nodes: packages, objects, the host's files, causes."""
        objects = dict(self._objects())
        owners = {owner for _, owner, _ in objects.values() if owner is not None}
        named = {package.name for finding in self.findings for package in finding.packages}
        for name, package in self.case.packages.items():
            if package.requested or name in owners | named:
                about = [f for f in self.findings if name in {p.name for p in f.packages}]
                version, label = package.id.version, str(package.id)
                node = Node(NodeKind.PACKAGE, name, label, version=version, requested=package.requested)
                self._place(_judged(node, about))
        about_path: dict[str, list[Finding]] = defaultdict(list)
        for finding in self.findings:
            for path in dict.fromkeys(finding.objects):
                about_path[path].append(finding)
        for path, (file, owner, facts) in sorted(objects.items(), key=lambda item: (item[1][1] is None, item[0])):
            kind = NodeKind.HOST if owner is None else NodeKind.OBJECT
            node = Node(kind, path, posixpath.basename(path), owner, soname=facts.soname, size=facts.size)
            place = self._place(_judged(node, about_path[path]))
            if file is not None:
                self.by_file[file] = place
        for finding in self.findings:
            names = dict.fromkeys(finding.symbols)
            count = f": {len(names)} symbol{'s' * (len(names) != 1)}" if names else ""
            node = Node(NodeKind.SYMBOLS, finding.id, f"{finding.rule}{count}", symbols=tuple(names))
            self._place(_judged(node, [finding]))

    def _objects(self) -> Iterator[tuple[str, tuple[int | None, str | None, ObjectFacts]]]:
        """Yield path -> (file, owner, facts) of what was loaded, and of a package's objects that findings name."""
        named = {path for finding in self.findings for path in finding.objects}
        for package in self.case.packages.values():
            for facts in package.wheel.objects:
                if facts.path in named:
                    yield facts.path, (None, package.id.name, facts)
        for file in sorted(self.loaded):
            yield self.case.path(file), (file, self.case.owner(file), self.case.facts(file))

    def _place(self, node: Node) -> int:
        self.nodes.append(node)
        return self.by_name.setdefault((node.kind, node.name), len(self.nodes) - 1)

    def _file(self, path: str) -> int | None:
        return self.by_name.get((NodeKind.OBJECT, path), self.by_name.get((NodeKind.HOST, path)))

    # -- edges ----------------------------------------------------------------------------------------------------

    def edges(self) -> list[Edge]:
        """Return all edges, sorted by ends and kind."""
        found = {(edge.source, edge.target, edge.kind): edge for edge in (*self._tied(), *self._structure())}
        for ends in self._said_to_differ():
            key = (*ends, EdgeKind.DIFFERS_IN_ABI)
            found.setdefault(key, Edge(*key))
        evidence = self._evidence()
        kinds = list(EdgeKind)
        ordered = sorted(found.values(), key=lambda edge: (edge.source, edge.target, kinds.index(edge.kind)))
        return [
            replace(edge, findings=edge.findings or tuple(evidence.get((edge.source, edge.target, edge.kind), ())))
            for edge in ordered
        ]

    def _tied(self) -> Iterator[Edge]:
        files = sorted(self.by_file)
        bits = {order: 1 << number for number, order in enumerate(self.orders)}
        ties = played_ties(self.case, self.runs, bits)
        shared_sonames(self.case, files, ties)
        duplicates(self.case, files, ties)
        names = self._names(ties)
        for ends, tie in ties.found.items():
            source, target = self.by_file.get(ends.source), self.by_file.get(ends.target)
            if source is None or target is None:  # of a load that failed
                continue
            if ends.kind.mutual and source > target:
                source, target = target, source
            symbols = tuple(names[key] for key in tie.keys)
            orders = self._numbers(ends.kind, ends.source, ends.target, tie.orders)
            yield Edge(source, target, ends.kind, tie.count, orders=orders, symbols=symbols)

    def _names(self, ties: Ties) -> dict[int, str]:
        return self.case.names(sorted({key for tie in ties.found.values() for key in tie.keys}))

    def _numbers(self, kind: EdgeKind, source: int, target: int, mask: int) -> tuple[int, ...]:
        """Return the orders of an edge, none where it holds whenever its ends are there.

        A reference is there with its object, whatever it is bound to.
        """
        possible = self.loaded[source]
        if kind not in (EdgeKind.NEEDS, EdgeKind.BINDS_TO):
            possible &= self.loaded[target]
        if not mask or mask == possible:
            return ()
        return tuple(number for number in range(len(self.orders)) if mask >> number & 1)

    def _structure(self) -> Iterator[Edge]:
        """Yield who installs what, and whom a cause concerns: its objects, and packages that have none of them."""
        for place, node in enumerate(self.nodes):
            owner = self.by_name.get((NodeKind.PACKAGE, node.package or ""))
            if owner is not None:
                yield Edge(owner, place, EdgeKind.CONTAINS)
        for finding in self.findings:
            cause = self.by_name[NodeKind.SYMBOLS, finding.id]
            objects = self._places(finding)
            covered = {self.nodes[place].package for place in objects}
            packages = [self.by_name[NodeKind.PACKAGE, name] for name in self._named(finding) if name not in covered]
            for place in (*packages, *objects):
                yield Edge(cause, place, EdgeKind.CONCERNS, findings=(finding.id,))

    def _places(self, finding: Finding) -> list[int]:
        places = (self._file(path) for path in dict.fromkeys(finding.objects))
        return [place for place in places if place is not None]

    def _said_to_differ(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs that a rule says differ: objects of two owners, or else packages."""
        for finding in self.findings:
            if finding.rule in _ABI_RULES:
                yield from self._sides(finding)

    def _sides(self, finding: Finding) -> list[tuple[int, int]]:
        pairs = combinations(sorted(self._places(finding)), 2)
        apart = [pair for pair in pairs if self.nodes[pair[0]].package != self.nodes[pair[1]].package]
        return apart or list(combinations(sorted(self.by_name[NodeKind.PACKAGE, n] for n in self._named(finding)), 2))

    def _named(self, finding: Finding) -> list[str]:
        names = dict.fromkeys(package.name for package in finding.packages)
        return [name for name in names if (NodeKind.PACKAGE, name) in self.by_name]

    def _evidence(self) -> dict[tuple[int, int, EdgeKind], list[str]]:
        """Return which findings rest on which possible edges."""
        evidence: dict[tuple[int, int, EdgeKind], list[str]] = defaultdict(list)
        for finding in self.findings:
            places = self._places(finding)
            for one, other in combinations(sorted(places), 2):
                for kind in _EVIDENCE:
                    for ends in ((one, other), (other, one))[: 1 if kind.mutual else 2]:
                        evidence[*ends, kind].append(finding.id)
            for ends in self._sides(finding) if finding.rule in _ABI_RULES else ():
                if finding.id not in evidence[*ends, EdgeKind.DIFFERS_IN_ABI]:
                    evidence[*ends, EdgeKind.DIFFERS_IN_ABI].append(finding.id)
            for ends in dict.fromkeys(self._listed(finding)):
                evidence[*ends, EdgeKind.BINDS_TO].append(finding.id)
        return evidence

    def _listed(self, finding: Finding) -> Iterator[tuple[int, int]]:
        """Yield the ends of the bindings that a finding lists."""
        rows = finding.evidence.get("bindings")
        for row in rows if isinstance(rows, list | tuple) else ():
            source, target = self._file(str(row.get("from"))), self._file(str(row.get("to")))
            if source is not None and target is not None:
                yield source, target


def _judged(node: Node, findings: Sequence[Finding]) -> Node:
    """Return the node with the findings that are about it, the gravest first."""
    return replace(
        node, severity=findings[0].severity if findings else None, findings=tuple(finding.id for finding in findings)
    )

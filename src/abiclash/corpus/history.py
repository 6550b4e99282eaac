"""What changed between two runs of a corpus, and which release brought it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from abiclash.corpus.snapshot import snapshots
from abiclash.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abiclash.corpus.results import Results
    from abiclash.corpus.snapshot import Snapshot

ChangeKind = Literal["new", "gone", "changed"]
_COMPARED = ("severity", "confidence", "failing_order", "safe_order", "symbols", "pairs")


@dataclass(frozen=True, slots=True)
class Change:
    """One finding that is not as it was.

    what: for a changed one, the parts that differ. cause: which of its packages came, went or have another version,
    or the tool itself. packages: names. audience: of the finding.
    """

    change: ChangeKind
    id: str
    rule: str
    severity: str
    packages: tuple[str, ...]
    summary: str
    what: tuple[str, ...]
    cause: str
    audience: str = "user"


def is_grave(severity: str, audience: str) -> bool:
    """Tell whether a finding is a clash for those who use or build packages, or at most something to study."""
    return severity == "error" or (severity == "warning" and audience != "researcher")


def diff(old: Snapshot, new: Snapshot) -> list[Change]:
    """Return new, gone and changed findings, the gravest first, then by packages.

    What the new run did not look at is not gone; what the old one did not look at is new, and `cause` says so.
    """
    before = {one["id"]: one for one in old.findings}
    after = {one["id"]: one for one in new.findings}
    versions = _versions(old), _versions(new)
    tools = old.run["tool"], new.run["tool"]
    found = []
    for name in sorted(before.keys() | after.keys()):
        first, second = before.get(name), after.get(name)
        shown = second or first
        if shown is None or first == second:
            continue
        if second is None and not new.tells(shown):
            continue
        what: tuple[str, ...] = ()
        if first is not None and second is not None:
            what = tuple(part for part in _COMPARED if first[part] != second[part])
            if not what:
                continue  # only versions or wording
        kind: ChangeKind = "new" if first is None else "gone" if second is None else "changed"
        packages = tuple(package["name"] for package in shown["packages"])
        seen = first is not None or old.tells(shown)
        cause = _cause(shown, versions, tools) if seen else "not looked at before"
        told = shown["rule"], shown["severity"], packages, shown["summary"]
        found.append(Change(kind, name, *told, what, cause, shown["audience"]))
    grades = ("error", "warning", "note")
    return sorted(found, key=lambda one: (grades.index(one.severity), one.packages, one.change, one.id))


def _versions(run: Snapshot) -> dict[str, set[str]]:
    """Return the versions of every wheel in a run, dependencies included, by project."""
    found: dict[str, set[str]] = {}
    for file in run.lock["files"]:
        found.setdefault(file["name"], set()).add(file["version"])
    return found


def _cause(
    finding: Mapping[str, Any], versions: tuple[dict[str, set[str]], dict[str, set[str]]], tools: tuple[str, str]
) -> str:
    """Say what is different of the packages that take part: those of the finding, else those of its pairs."""
    own = [package["name"] for package in finding["packages"]]
    paired = sorted({name for pair in finding["pairs"] for name in pair} | set(finding["alone"]))
    for names in (own, paired):
        parts = list(_moves(names, *versions))
        if parts:
            return ", ".join(parts)
    if tools[0] != tools[1]:
        return f"abiclash {tools[0]} -> {tools[1]}"
    return "something else in their environments"


def _moves(names: Sequence[str], old: Mapping[str, set[str]], new: Mapping[str, set[str]]) -> Iterator[str]:
    for name in names:
        before, after = sorted(old.get(name, ())), sorted(new.get(name, ()))
        if before != after:
            first, second = ", ".join(before), ", ".join(after)
            yield f"{name} came" if not before else f"{name} went" if not after else f"{name} {first} -> {second}"


def chosen(results: Results, corpus: str, runs: Sequence[str], slug: str | None = None) -> tuple[Snapshot, Snapshot]:
    """Return two runs by the beginnings of their ids; without any the last two. Raises UsageError."""
    known = snapshots(results, corpus, slug)
    if not runs:
        variants = {one.folder.rpartition("/")[0] for one in known[-1:]}
        last = [one for one in known if one.folder.rpartition("/")[0] in variants]
        if len(last) < 2:
            raise UsageError(
                f"corpus {corpus}: {len(last)} run(s) are known, a diff needs two; run 'corpus scan' again"
            )
        return last[-2], last[-1]
    if len(runs) != 2:
        raise UsageError("corpus diff: name two runs, or none for the last two")
    return _one(known, runs[0]), _one(known, runs[1])


def _one(known: Sequence[Snapshot], text: str) -> Snapshot:
    found = [one for one in known if text in one.id]
    if len(found) != 1:
        listed = ", ".join(one.id for one in known) or "none"
        raise UsageError(f"run {text}: {'more than one' if found else 'none'} has that in its id; there are {listed}")
    return found[0]


def documents(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes as JSON values."""
    return [asdict(change) for change in changes]

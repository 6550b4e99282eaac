"""Corpora, their locks and their runs for the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from abiclash.reports.safe import inert, name, prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.corpus.bisecting import Bisection
    from abiclash.corpus.lock import Lock
    from abiclash.corpus.manifest import Manifest
    from abiclash.corpus.measures import Cost
    from abiclash.reports.paint import Paint


def listing(manifests: Iterable[Manifest], paint: Paint) -> str:
    """Return one line for each corpus."""
    rows = [
        (paint(m.name, "bold"), f"{len(m.packages)} packages", f"Python {_pythons(m)}", name(m.title))
        for m in manifests
    ]
    return "".join(f"{line}\n" for line in paint.columns(rows))


def _pythons(manifest: Manifest) -> str:
    return ", ".join(dict.fromkeys(variant.python for variant in manifest.variants))


def one(manifest: Manifest, paint: Paint) -> str:
    """Return a corpus: what it is for, where it comes from, its packages."""
    lines = [f"{paint(manifest.name, 'bold')}: {name(manifest.title)}", f"source: {name(manifest.source)}"]
    lines += [f"variant: {variant}" for variant in manifest.variants]
    lines += [f"orders: {manifest.orders}", "", *paint.wrap(", ".join(map(name, manifest.packages)), 0)]
    return "\n".join(lines) + "\n"


def listing_as_json(manifests: Iterable[Manifest]) -> str:
    """Return corpora as a JSON array."""
    return as_json(
        [
            {
                "name": m.name,
                "title": m.title,
                "source": m.source,
                "variants": [{"python": v.python, "platform": v.platform, "host": v.host} for v in m.variants],
                "orders": m.orders,
                "packages": list(m.packages),
            }
            for m in manifests
        ]
    )


def of_lock(lock: Lock, paint: Paint) -> str:
    """Return what a lock holds, and what could not be had."""
    size = sum(file.size or 0 for file in lock.files.values())
    unknown = sum(1 for file in lock.files.values() if file.size is None)
    lines = [
        f"{paint(lock.corpus, 'bold')} locked on {lock.created} for {lock.variant}",
        f"{len(lock.usable)} of {len(lock.roots)} packages, {len(lock.files)} wheels, {size / 1e6:,.0f} MB"
        + (f" and {unknown} of unknown size" if unknown else ""),
    ]
    for root in lock.roots:
        if root.problem:
            lines += paint.wrap(f"not had: {root.requirement}: {root.problem}", 0, 2)
    return "\n".join(lines) + "\n"


def of_run(folder: str, run: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], paint: Paint) -> str:
    """Return the totals of a finished run, and its errors."""
    totals = run["totals"]
    lines = [f"{paint(run['corpus'], 'bold')} {folder.rpartition('/')[2]}"]
    lines.append(
        f"{totals['analysed']} of {totals['packages']} packages, {totals['wheels']} wheels; {totals['candidates']:,} "
        f"candidate pairs, {totals['simulated']:,} played, {totals['interfering']:,} interfere; findings: "
        + (", ".join(f"{count} {severity}" for severity, count in totals["severities"].items()) or "none")
    )
    for finding in findings:
        if finding["severity"] == "error":
            pairs = ", ".join(" + ".join(pair) for pair in finding["pairs"][:3]) or "alone"
            lines += paint.wrap(f"{paint('error', 'red')} {finding['id']}: {finding['summary']} ({pairs})", 0, 2)
    return "\n".join(lines) + "\n"


def costs(entries: Iterable[Cost], paint: Paint) -> str:
    """Return what the stages of a run cost, as a table."""
    rows = [("stage", "tasks", "wall s", "CPU s", "peak MB")]
    rows += [(c.stage, str(c.tasks), f"{c.wall:.1f}", f"{c.cpu:.1f}", f"{c.peak / 1e6:.0f}") for c in entries]
    return "".join(f"{line}\n" for line in paint.columns(rows))


def of_diff(changes: Sequence[Mapping[str, Any]], old: str, new: str, paint: Paint) -> str:
    """Return what changed between two runs, by packages and cause."""
    lines = [f"{old} -> {new}: {len(changes)} changes"]
    for change in changes:
        lines += paint.wrap(f"{change['change']} {change['severity']} {change['id']}: {change['summary']}", 0, 2)
        lines += paint.wrap(f"because {change['cause']}", 4, 2)
    return prose("\n".join(lines)) + "\n"


def of_bisection(found: Bisection, paint: Paint) -> str:
    """Return which release brought a clash or cured it, and what was tried."""
    said = {True: "clashes", False: "clean", None: "cannot be played"}
    lines = [f"{paint(found.moving, 'bold')} with {found.fixed}: {', '.join(found.ids)}"]
    bad, good = ("last bad", "cured by") if found.ahead else ("first bad", "last good")
    edge = f"{good}: {name(found.good)}" if found.good else "no good one was found in reach"
    lines.append(f"{bad} release: {name(found.bad)}; {edge}")
    lines += [f"  {name(version)}: {said[answer]}" for version, answer in found.tried.items()]
    return "\n".join(lines) + "\n"


def as_json(content: object) -> str:
    """Return JSON text of anything that a run or a diff holds."""
    return json.dumps(inert(content), indent=2, ensure_ascii=True, allow_nan=False) + "\n"

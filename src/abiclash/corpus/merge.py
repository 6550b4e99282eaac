"""From surveys and pairs to the contents of a snapshot."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from abiclash import __version__
from abiclash.corpus import lock as locks
from abiclash.corpus import snapshot
from abiclash.rules.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from abiclash.corpus.join import Joined
    from abiclash.corpus.lock import Lock

_SEVERITIES = [severity.value for severity in Severity]


def merged_findings(surveys: Sequence[Mapping[str, Any]], pairs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every finding once, with the packages or pairs in which it shows; the gravest first.

    A pair repeats what its packages have alone, and many pairs repeat what two common dependencies have: findings are
    one by their fingerprint, and the first pair in which one shows gives its details.
    """
    found: dict[str, dict[str, Any]] = {}
    alone: dict[str, set[str]] = {}
    for survey in surveys:
        alone[survey["package"]] = {finding["id"] for finding in survey["findings"]}
        for finding in survey["findings"]:
            entry = found.setdefault(finding["id"], {**finding, "alone": [], "pairs": []})
            entry["alone"].append(survey["package"])
    for pair in pairs:
        own = alone.get(pair["pair"][0], set()) | alone.get(pair["pair"][1], set())
        for finding in pair["findings"]:
            if finding["id"] not in own:
                entry = found.setdefault(finding["id"], {**finding, "alone": [], "pairs": []})
                entry["pairs"].append(list(pair["pair"]))
                if _SEVERITIES.index(finding["severity"]) < _SEVERITIES.index(entry["severity"]):
                    entry.update(finding)
    return sorted(found.values(), key=lambda one: (_SEVERITIES.index(one["severity"]), one["rule"], one["id"]))


def packages(lock: Lock, surveys: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a run knows of each package, in the order of the corpus."""
    result = []
    for rank, root in enumerate(lock.roots, start=1):
        survey = surveys.get(root.name)
        own = lock.files.get(root.files[0]) if root.files else None
        unread = list(survey["not_analysed"]) if survey else []
        if root.problem:
            unread.insert(0, [root.requirement, root.problem])
        result.append(
            {
                "rank": rank,
                "name": root.name,
                "version": own.version if own else "",
                "wheel": own.filename if own else "",
                "sha256": root.files[0] if root.files else "",
                "dependencies": sorted(lock.files[file].name for file in root.files[1:] if file in lock.files),
                "native": bool(survey and survey["native"]),
                "counts": survey["counts"] if survey else {},
                "loads": survey["loads"] if survey else {},
                "findings": sorted(finding["id"] for finding in survey["findings"]) if survey else [],
                "not_analysed": unread,
            }
        )
    return result


def contents(
    lock: Lock, surveys: Mapping[str, Mapping[str, Any]], joined: Joined, pairs: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the description of a run and the files of its snapshot. joined: pairs by place among the surveys."""
    known = packages(lock, surveys)
    findings = merged_findings([surveys[name] for name in sorted(surveys)], pairs)
    run = {
        "format": snapshot.FORMAT,
        "corpus": lock.corpus,
        "created": lock.created,
        "tool": __version__,
        "variant": asdict(lock.variant),
        "lock": lock.digest,
        "totals": _totals(lock, known, joined, pairs, findings),
    }
    names = list(surveys)
    files = {
        "lock.json": locks.render(lock).encode(),
        "packages.json": snapshot.as_json(known),
        "findings.json": snapshot.as_json(findings),
        "packages.parquet": _package_table(known),
        "findings.parquet": _finding_table(findings),
        "pairs.parquet": _pair_table(names, joined, pairs),
        "unknown.json": snapshot.as_json(_unknown(known, names, joined, pairs)),
    }
    return run, files


def _unknown(
    known: Sequence[Mapping[str, Any]], names: Sequence[str], joined: Joined, pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a run says nothing about: packages that could not be read, candidates that were not played."""
    played = {tuple(pair["pair"]) for pair in pairs}
    left = [[names[one], names[other]] for one, other, _ in joined.pairs]
    return {
        "packages": sorted(package["name"] for package in known if not package["counts"]),
        "pairs": [pair for pair in left if tuple(pair) not in played],
    }


def _totals(
    lock: Lock,
    known: Sequence[Mapping[str, Any]],
    joined: Joined,
    pairs: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    by_rule: dict[str, Counter[str]] = {}
    for finding in findings:
        by_rule.setdefault(finding["rule"], Counter())[finding["severity"]] += 1
    return {
        "packages": len(known),
        "analysed": sum(1 for package in known if package["counts"]),
        "native": sum(1 for package in known if package["native"]),
        "wheels": len({file for root in lock.roots for file in root.files}),
        "signature_rows": joined.rows,
        "crowded": joined.crowded,
        "candidates": len(joined.pairs),
        "simulated": len(pairs),
        "interfering": sum(1 for pair in pairs if pair["interferes"]),
        "findings": {rule: dict(sorted(counts.items())) for rule, counts in sorted(by_rule.items())},
        "severities": dict(sorted(Counter(finding["severity"] for finding in findings).items())),
    }


def _package_table(known: Sequence[Mapping[str, Any]]) -> bytes:
    columns: dict[str, list[Any]] = {
        name: [one[name] for one in known] for name in ("rank", "name", "version", "wheel")
    }
    columns["sha256"] = [one["sha256"] for one in known]
    columns["native"] = [int(one["native"]) for one in known]
    for name in ("objects", "symbols", "references"):
        columns[name] = [one["counts"].get(name, 0) for one in known]
    columns["findings"] = [len(one["findings"]) for one in known]
    return snapshot.table(columns)


def _finding_table(findings: Sequence[Mapping[str, Any]]) -> bytes:
    plain = ("id", "rule", "severity", "confidence", "audience", "summary")
    columns: dict[str, list[Any]] = {name: [one[name] for one in findings] for name in plain}
    columns["packages"] = [", ".join(package["name"] for package in one["packages"]) for one in findings]
    columns["failing_order"] = [", ".join(one["failing_order"] or ()) for one in findings]
    columns["pairs"] = [len(one["pairs"]) for one in findings]
    columns["document"] = [json.dumps(one, sort_keys=True) for one in findings]
    return snapshot.table(columns)


def _pair_table(names: Sequence[str], joined: Joined, pairs: Sequence[Mapping[str, Any]]) -> bytes:
    played = {tuple(pair["pair"]): pair for pair in pairs}
    rows = [(names[one], names[other], ", ".join(joined.kinds(mask))) for one, other, mask in joined.pairs]
    results = [played.get((one, other)) for one, other, _ in rows]
    return snapshot.table(
        {
            "one": [one for one, _, _ in rows],
            "other": [other for _, other, _ in rows],
            "contact": [kinds for _, _, kinds in rows],
            "played": [int(found is not None) for found in results],
            "interferes": [int(bool(found and found["interferes"])) for found in results],
            "findings": [len(found["findings"]) if found else 0 for found in results],
        }
    )

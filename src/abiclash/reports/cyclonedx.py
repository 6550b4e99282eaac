"""What is vendored where, as a CycloneDX 1.6 bill of materials.

Each package is a component; inside it are the shared libraries that its wheel brings, and inside objects the
runtimes and libraries that are linked into them statically, as far as their fingerprints show.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import posixpath
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from abiclash.reports.safe import inert, name
from abiclash.rules.carried import runtimes
from abiclash.rules.model import stable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.reports.formats import Report
    from abiclash.rules.model import Finding, ScannedPackage, ScanResult

Json = dict[str, object]


def report(report: Report) -> str:
    """Return a scan in this format (see `formats`)."""
    case = report.case
    wheels = {name: package.wheel for name, package in case.packages.items()} if case is not None else {}
    content = inert(document(report.result, wheels, report.view.findings))
    return json.dumps(content, indent=2) + "\n"


def document(result: ScanResult, wheels: Mapping[str, WheelFacts], findings: Iterable[Finding]) -> Json:
    """Return the bill as JSON values. wheels: facts by package; what is not there is listed without its contents.

    The serial number follows from the content: the same scan has the same one.
    """
    about: dict[str, list[Finding]] = {}
    for finding in findings:
        for package in dict.fromkeys(package.name for package in finding.packages):
            about.setdefault(package, []).append(finding)
    packages = sorted(result.packages)
    components = [_package(p, wheels.get(p.name), about.get(p.name, [])) for p in packages]
    unread = sorted(set(result.not_analysed))
    content: Json = {
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "abiclash", "version": result.version}]},
            "properties": [
                _property("host", f"{result.host.profile} {result.host.machine}"),
                _property("python", result.host.python),
                *(_property("not-analysed", f"{entry.what}: {entry.reason}") for entry in unread),
            ],
        },
        "components": components,
        "compositions": list(_compositions(packages, {entry.what for entry in unread})),
    }
    digest = hashlib.sha256(json.dumps(inert(content), sort_keys=True).encode()).hexdigest()
    head: Json = {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX"}
    serial = uuid.UUID(digest[:32], version=4).urn
    return {**head, "specVersion": "1.6", "serialNumber": serial, "version": 1, **content}


def _property(key: str, value: str) -> Json:
    return {"name": f"abiclash:{key}", "value": name(value, 1000)}


def _compositions(packages: Iterable[ScannedPackage], unread: set[str]) -> Iterator[Json]:
    """Say of which packages the contents are known in full."""
    complete: dict[bool, list[str]] = {True: [], False: []}
    for package in packages:
        missing = any(what.partition("!")[0] in (package.wheel, package.name) for what in unread)
        complete[bool(package.wheel) and not missing].append(_reference(package))
    if complete[False]:
        yield {"aggregate": "incomplete", "assemblies": complete[False]}
    if complete[True]:  # static libraries without a fingerprint stay unseen
        yield {"aggregate": "unknown", "assemblies": complete[True]}


def _reference(package: ScannedPackage) -> str:
    return f"package:{name(package.name)}"


def _package(package: ScannedPackage, wheel: WheelFacts | None, findings: Iterable[Finding]) -> Json:
    content: Json = {
        "type": "library",
        "bom-ref": _reference(package),
        "name": name(package.name),
        "version": name(package.version),
        "purl": _purl("pypi", package.name, package.version),
    }
    if len(package.sha256) == 64:
        content["hashes"] = [{"alg": "SHA-256", "content": package.sha256}]
    properties = [_property("wheel", package.wheel)] if package.wheel else []
    properties += [_property("finding", f"{finding.id}: {finding.summary}") for finding in findings]
    inside = list(_objects(package, wheel)) if wheel is not None else []
    if inside:
        content["components"] = inside
    return content | ({"properties": properties} if properties else {})


def _objects(package: ScannedPackage, wheel: WheelFacts) -> Iterator[Json]:
    """Yield the libraries of a wheel, and its other objects that carry a library inside."""
    digests = {file.path: digest for file in wheel.files if (digest := _sha256(file.hash))}
    for number, facts in enumerate(sorted(wheel.objects, key=lambda facts: facts.path)):
        library = posixpath.basename(facts.path).startswith("lib")
        if library or facts.runtimes:
            reference = f"{_reference(package)}/{number}"
            yield _object(reference, facts, digests.get(facts.path), "library" if library else "file")


def _object(reference: str, facts: ObjectFacts, digest: str | None, kind: str) -> Json:
    own, inside = _identity(facts) if kind == "library" else (None, runtimes(facts))
    label = stable_name(posixpath.basename(facts.path))
    methods = [_method("filename", 0.5, facts.soname or posixpath.basename(facts.path))]
    content: Json = {"type": kind, "bom-ref": reference, "name": name(own[0] if own else label)}
    if own and own[1]:
        content |= {"version": name(own[1]), "purl": _purl("generic", *own)}
        methods.append(_method("binary-analysis", 0.9, " ".join(own)))
    if digest:
        content["hashes"] = [{"alg": "SHA-256", "content": digest}]
    content["evidence"] = {
        "identity": [
            {"field": "name", "confidence": max(float(str(m["confidence"])) for m in methods), "methods": methods}
        ],
        "occurrences": [{"location": name(facts.path)}],
    }
    properties = [_property("path", facts.path), _property("size", str(facts.size))]
    properties += [_property("soname", facts.soname)] if facts.soname else []
    properties += [_property("build-id", facts.build_id)] if facts.build_id else []
    content["properties"] = properties
    static = [_static(f"{reference}/{i}", facts, *entry) for i, entry in enumerate(sorted(_libraries(inside).items()))]
    return content | ({"components": static} if static else {})


def _identity(facts: ObjectFacts) -> tuple[tuple[str, str] | None, dict[str, str]]:
    """Tell the library that a file is, by its name and fingerprint, from those that it contains."""
    found = runtimes(facts)
    stem = posixpath.basename(facts.path).removeprefix("lib").partition(".so")[0].lower()
    own = next(
        (entry for entry in found.items() if stem.startswith(entry[0].removeprefix("lib").partition(" ")[0])), None
    )
    return own, {key: version for key, version in found.items() if own is None or key != own[0]}


def _libraries(inside: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Group fingerprints by library: several are of parts of one, such as "libstdc++ once"."""
    found: dict[str, dict[str, str]] = {}
    for fingerprint, version in sorted(inside.items()):
        library = fingerprint.partition(" ")[0] if fingerprint.startswith("lib") else fingerprint
        found.setdefault(library, {})[fingerprint] = version
    return found


def _static(reference: str, facts: ObjectFacts, library: str, prints: Mapping[str, str]) -> Json:
    """Return a library that is linked into an object. prints: its fingerprints, with versions."""
    version = max(prints.values())
    content: Json = {"type": "library", "bom-ref": reference, "name": name(library)}
    if version:
        content |= {"version": name(version), "purl": _purl("generic", library, version)}
    sure = 0.9 if version else 0.6
    methods = [_method("binary-analysis", sure, f"{print_} {own}".strip()) for print_, own in prints.items()]
    content["evidence"] = {
        "identity": [{"field": "name", "confidence": sure, "methods": methods}],
        "occurrences": [{"location": name(facts.path)}],
    }
    content["properties"] = [_property("linkage", "static")]
    return content


def _method(technique: str, confidence: float, value: str) -> Json:
    return {"technique": technique, "confidence": confidence, "value": name(value)}


def _purl(kind: str, package: str, version: str) -> str:
    """Return a package URL (ECMA-427)."""
    at = f"@{quote(name(version), safe='.')}" if version else ""
    return f"pkg:{kind}/{quote(name(package), safe='.')}{at}"


def _sha256(recorded: str) -> str | None:
    """Return the hex digest of a RECORD hash, which is URL-safe base64 without padding."""
    algorithm, _, value = recorded.partition("=")
    if algorithm != "sha256":
        return None
    try:
        digest = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (ValueError, binascii.Error):
        return None
    return digest.hex() if len(digest) == 32 else None

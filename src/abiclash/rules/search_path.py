"""A run path that leaves the package.

## What happens

A library of the wheel tells ld.so to look for its dependencies in a folder that the wheel does not own: an absolute
path of the build machine, the working directory, or somebody else's folder in site-packages.

## Why it breaks

On another machine that folder is missing, holds another library, or can be written by another user, whose library
then runs in this process.

## How the loader decides

DT_RPATH and DT_RUNPATH are searched before ld.so.cache (`_dl_map_object`, glibc elf/dl-load.c). An empty element
means the working directory.

## Example

The fixture `library_with_run_path` links a library with `-Wl,-rpath,/srv/build/lib`; the tests give it other
entries too.

## Fix on each side

Maintainers keep only `$ORIGIN`-relative entries that stay inside the wheel: `patchelf --set-rpath`, or auditwheel
repair, which does so. Users need do nothing unless a listed folder exists on their machine.

## Incidents

Build-tree run paths are found in many wheels; they surface when a build folder happens to exist.

## Limits

Entries that reach a package which this one requires are left out. Those that reach another one on purpose (a companion
that only an extra brings, as nvidia's) are stated as notes. Of the tokens only `$ORIGIN` has a known value.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from abiclash.rules.carried import requires
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from abiclash.facts.model import ObjectFacts, WheelFacts
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="search-path",
    title="A run path leaves the package",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.FILE,
    since="0.1",
)
_OTHER = "another-package"
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - folders that anyone can write
_ORIGIN = re.compile(r"\$(?:ORIGIN(?=/|$)|\{ORIGIN\})")


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package and kind of entry."""
    for name, package in sorted(case.packages.items()):
        found = _found(package.wheel, _folders(package.wheel))
        if _OTHER in found:
            needed = [other.wheel for key, other in case.packages.items() if requires(case, name, key)]
            found = _found(package.wheel, _folders(package.wheel, *needed))
        for kind, entries in sorted(found.items()):
            yield _finding(case, name, kind, sorted(entries))


def _found(wheel: WheelFacts, own: Collection[str]) -> dict[str, list[tuple[str, str]]]:
    """Return kind -> (path of an object, entry). own: folders of the package and of what it needs."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for facts in wheel.objects:
        for entry, kind in _suspicious(facts, own):
            found[kind].append((facts.path, entry))
    return found


def _folders(*wheels: WheelFacts) -> set[str]:
    return {path.partition("/")[0] for wheel in wheels for path in _installed(wheel)}


def _installed(wheel: WheelFacts) -> Iterator[str]:
    yield from (file.path for file in wheel.files)
    yield from (facts.path for facts in wheel.objects)


def _suspicious(facts: ObjectFacts, own: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (entry, kind) of run-path entries that leave the package. own: folders as in `_found`.

    DT_RUNPATH makes ld.so ignore DT_RPATH, and an empty run path has no entries (decompose_rpath).
    """
    value = facts.runpath if facts.runpath is not None else facts.rpath
    for entry in dict.fromkeys(value.split(":")) if value else ():
        kind = _kind(entry, posixpath.dirname(facts.path), own)
        if kind is not None:
            yield entry or "(empty)", kind


def _kind(entry: str, folder: str, own: Collection[str]) -> str | None:
    """Say where an entry leads of an object that is installed in `folder`; None for places within the package."""
    origin = _ORIGIN.match(entry)
    if origin is None:
        if not entry.startswith("/"):
            return None if entry.startswith("$") else "working-directory"
        place = posixpath.normpath(entry)
        return "shared-folder" if any(f"{place}/".startswith(f"{shared}/") for shared in _SHARED) else "absolute"
    place = posixpath.normpath(posixpath.join(folder, entry[origin.end() :].lstrip("/")))
    first = place.partition("/")[0]
    if first == "..":
        return "outside"
    return None if first in own or first in ("", ".") else _OTHER


_WORDS = {
    "working-directory": "the working directory of whoever starts Python",
    "shared-folder": "a folder that any user can write",
    "absolute": "a fixed folder of the build machine",
    "outside": "a folder outside of site-packages",
    _OTHER: "a folder that other packages install",
}


def _finding(case: Case, name: str, kind: str, entries: list[tuple[str, str]]) -> Finding:
    paths = list(dict.fromkeys(path for path, _ in entries))
    values = list(dict.fromkeys(entry for _, entry in entries))
    verb = "searches" if len(paths) == 1 else "search"
    risky = kind in {"working-directory", "shared-folder"}
    return RULE.finding(
        packages=[case.packages[name].id],
        severity=Severity.WARNING if risky else Severity.NOTE,
        summary=f"{name}: {counted(len(paths), 'object')} {verb} for libraries in {_WORDS[kind]}.",
        explanation=(
            f"{paths[0]} names {values[0]} in its run path, so the dynamic linker looks for its libraries in "
            f"{_WORDS[kind]} before the system's own. What lies there on another machine is not the wheel's to decide."
        ),
        advice=[
            Advice(
                f"maintainer of {name}",
                "Set run paths relative to $ORIGIN and inside the wheel (patchelf --set-rpath).",
            )
        ],
        key=[kind],
        objects=paths[:50],
        evidence={"entries": values[:20], "objects": len(paths)},
    )

"""Two wheels install the same file with different content.

## What happens

Whichever wheel is installed last overwrites the other's file. The first package then runs with a foreign module or
library, and uninstalling either breaks the other.

## Why it breaks

Installers write files into one site-packages folder and keep no record of who shares a path.

## How the loader decides

It does not: this happens at installation. Python and ld.so then use what lies there.

## Example

The fixture `two_wheels` makes two wheels that install one file, with the same content or different content.

## Fix on each side

Install only one of the two. Maintainers of variants of one package (headless, cpu, gpu) should declare the others as
conflicting in their documentation, and share code through a dependency.

## Incidents

opencv-python beside opencv-python-headless; tensorflow beside tensorflow-cpu.

## Limits

Files that are equal, byte for byte, are no conflict and are not stated; nor are files of one size for which a wheel's
RECORD states no hash. What installers generate (`__pycache__`) is left out. Installed packages are not judged: a file
that was overwritten has one owner left.
"""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import WheelFacts, WheelFile
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="file-overwrite",
    title="Two wheels install the same file",
    severity=Severity.WARNING,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    mechanism=Mechanism.INSTALL,
    since="0.1",
    references=("https://packaging.python.org/en/latest/specifications/recording-installed-packages/",),
)

_LIBRARY = re.compile(r"\.so(\.[^/]+)?$")


def check(case: Case) -> Iterable[Finding]:
    """Pair the packages that claim one path with different hashes."""
    wheels = {name: package.wheel for name, package in case.packages.items()}
    claims: dict[str, list[tuple[str, WheelFile]]] = {path: [] for path in _shared(wheels.values())}
    for name, wheel in wheels.items() if claims else ():
        for file in wheel.files if wheel.filename else ():
            if file.path in claims:
                claims[file.path].append((name, file))
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, owners in claims.items():
        for (one, first), (other, second) in combinations(owners, 2):
            if _differ(first, second):
                pairs[min(one, other), max(one, other)].append(path)
    for (one, other), paths in sorted(pairs.items()):
        yield _finding(case, one, other, sorted(paths))


def _shared(wheels: Iterable[WheelFacts]) -> set[str]:
    """Return the paths that several wheels install. An installed file has one owner left: its last writer."""
    seen: set[str] = set()
    shared: set[str] = set()
    for wheel in wheels:
        if wheel.filename:
            own = {file.path for file in wheel.files}
            shared |= own & seen
            seen |= own
    return {path for path in shared if ".dist-info/" not in path and "__pycache__" not in path}


def _differ(first: WheelFile, second: WheelFile) -> bool:
    """Whether two RECORD lines tell of different content; a line without a hash, or with another kind, tells less."""
    if first.size is not None and second.size is not None and first.size != second.size:
        return True
    (kind, _, digest), (other, _, against) = first.hash.partition("="), second.hash.partition("=")
    return bool(digest and against) and kind == other and digest.rstrip("=") != against.rstrip("=")


def _finding(case: Case, one: str, other: str, paths: list[str]) -> Finding:
    native = [path for path in paths if _LIBRARY.search(path)]
    grave = bool(native) or any(path.endswith(".py") for path in paths)
    return RULE.finding(
        packages=[case.packages[one].id, case.packages[other].id],
        severity=Severity.WARNING if grave else Severity.NOTE,
        summary=f"{one} and {other} both install {len(paths)} file(s) with different content, such as {paths[0]}.",
        explanation=(
            f"{one} and {other} write to the same {len(paths)} path(s). The one installed last wins, and the other "
            "package runs with files that are not its own. Uninstalling one removes files of the other."
        ),
        advice=[Advice("user", f"Install {one} or {other}, not both in one environment.")],
        key=[],
        objects=native[:50],
        evidence={"files": len(paths), "examples": paths[:20]},
        silent=True,
    )

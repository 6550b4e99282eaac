"""A wheel needs a newer system than its tag promises.

## What happens

The installer accepts the wheel because of its tag, and the import fails on an older system that the tag covers.

## Why it breaks

`manylinux_X_Y` promises that the wheel works with glibc X.Y (PEP 600). A library in it needs a symbol version that
came later, or it needs the other C library altogether.

## How the loader decides

`_dl_check_map_versions` (glibc elf/dl-version.c) refuses an object whose needed versions the system's library does
not define.

## Example

The fixture `tagged_wheel` makes a manylinux_2_5 wheel of a library that needs a function of glibc 2.25.

## Fix on each side

Maintainers build in the manylinux image of the tag, and let `auditwheel repair` choose the tag. Users take another
release, or a newer system.

## Incidents

Wheels whose tag was set by hand (`--plat-name`) and not by auditwheel.

## Limits

Judged by glibc's versions, and by GLIBCXX versions of libstdc++ for the tags whose images are known; CXXABI versions
and libgcc's are not judged. Weak needs are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from abiclash.facts.model import WheelFacts
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="platform-tag",
    title="The wheel needs a newer system than its tag promises",
    severity=Severity.WARNING,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.VERSION,
    since="0.1",
    references=("https://peps.python.org/pep-0600/", "https://peps.python.org/pep-0656/"),
)
_LEGACY = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_")
# The newest GLIBCXX version of the libstdc++ in the images of these tags, by glibc (PEP 513, 571, 599, 600).
_LIBSTDCXX = {(2, 5): (3, 4, 8), (2, 12): (3, 4, 13), (2, 17): (3, 4, 19), (2, 24): (3, 4, 22), (2, 28): (3, 4, 25)}
_FEATURES = {"GLIBC_ABI_DT_RELR": (2, 36)}
"""Versions without a number: the first glibc that has them."""


def check(case: Case) -> Iterable[Finding]:
    """One finding for each wheel whose objects need more than the lowest glibc among its tags."""
    for name, package in sorted(case.packages.items()):
        promise = promised(package.wheel.tags)
        over = sorted(set(_beyond(package.wheel, promise))) if promise else []
        mixed = sorted(set(_other_libc(package.wheel)))
        if over or mixed:
            yield _finding(case, name, promise, over, mixed)


def promised(tags: Iterable[str]) -> tuple[int, int] | None:
    """Return the lowest glibc version that a wheel's tags promise to work with."""
    found = []
    for tag in tags:
        if match := _MANYLINUX.search(tag):
            found.append((int(match[1]), int(match[2])))
        found += [version for name, version in _LEGACY.items() if f"{name}_" in tag]
    return min(found, default=None)


def _beyond(wheel: WheelFacts, promise: tuple[int, int]) -> Iterator[tuple[str, str]]:
    """Yield (version, object) of needed versions that the promised system does not have."""
    bundled = {facts.soname for facts in wheel.objects}
    libstdcxx = _LIBSTDCXX.get(promise)
    for facts in wheel.objects:
        for library, versions in facts.needs:
            if library in bundled:
                continue
            for version in versions:
                limit = libstdcxx if version.name.startswith("GLIBCXX_3") else promise
                if limit is not None and _number(version.name) > limit and not version.weak:
                    yield version.name, facts.path


def _number(version: str) -> tuple[int, ...]:
    """Return a version of glibc or libstdc++ as a number, () for what is neither's."""
    if version.startswith(("GLIBC_2", "GLIBCXX_3")):
        return tuple(int(part) for part in re.findall(r"\d+", version))
    return _FEATURES.get(version, ())


def _other_libc(wheel: WheelFacts) -> Iterator[str]:
    """Yield objects that need the other C library than the tags say."""
    musl = any("musllinux" in tag for tag in wheel.tags)
    glibc = any("manylinux" in tag for tag in wheel.tags)
    for facts in wheel.objects:
        if (musl and not glibc and "libc.so.6" in facts.needed) or (
            glibc and not musl and any(name.startswith("libc.musl-") for name in facts.needed)
        ):
            yield facts.path


def _finding(
    case: Case, name: str, promise: tuple[int, int] | None, over: list[tuple[str, str]], mixed: list[str]
) -> Finding:
    versions = sorted({version for version, _ in over}, key=lambda version: (_number(version), version))
    paths = sorted({*(path for _, path in over), *mixed})
    tag = "manylinux_" + "_".join(map(str, promise)) if promise else "its tag"
    needs = f"the symbol version(s) {', '.join(versions)}" if versions else "the other C library"
    return RULE.finding(
        packages=[case.packages[name].id],
        summary=f"{name}'s wheel promises {tag}, but {len(paths)} object(s) need {needs}.",
        explanation=(
            f"The tag says that the wheel works on every system that {tag} covers. {paths[0]} needs {needs}, which "
            "such a system need not have; there the import fails."
        ),
        advice=[
            Advice(f"maintainer of {name}", "Build in the image of the tag and let auditwheel repair choose the tag.")
        ],
        key=[],
        objects=paths[:50],
        evidence={"tag": tag, "versions": versions, "objects": len(paths)},
    )

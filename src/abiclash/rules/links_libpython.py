"""An extension module that needs libpython.

## What happens

The extension loads only in interpreters that come with a shared libpython of exactly that name; in others the import
fails, or a second interpreter's library is loaded beside the first.

## Why it breaks

A statically built interpreter exports the C API itself. If libpythonX.Y.so is found all the same, the process holds
two copies of the interpreter's state.

## How the loader decides

DT_NEEDED libpythonX.Y.so.1.0 is loaded like any library; symbols of the executable still come first, since the
global scope is searched before the extension's own list, but the library's own initialised data is separate.

## Example

The fixture `module_with_libpython` builds an extension module that needs a library called `libpython3.11.so.1.0`.

## Fix on each side

Maintainers do not link extensions against libpython (PEP 513; setuptools and `Python3_add_library` of CMake do not).
Users choose an interpreter with a shared library, or another release.

## Incidents

auditwheel issue 23; extensions built with the old `FindPythonLibs` of CMake.

## Limits

Programs and libraries that embed Python rightly link libpython and are left out: only objects with a `PyInit_`
function of their own name are judged. Where the interpreter of the scan has no such library, missing-library states
the load that fails.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

import numpy as np

from abiclash.names import name_key
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.facts.model import ObjectFacts
    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="links-libpython",
    title="An extension module needs libpython",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.MAINTAINER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://peps.python.org/pep-0513/",),
)


def check(case: Case) -> Iterable[Finding]:
    """One finding for each package."""
    for name, package in sorted(case.packages.items()):
        objects = [facts for facts in package.wheel.objects if any(n.startswith("libpython") for n in facts.needed)]
        extensions = [facts for facts in objects if _is_module(facts)]
        if not extensions:
            continue
        names = sorted({n for f in extensions for n in f.needed if n.startswith("libpython")})
        paths = sorted(f.path for f in extensions)
        yield RULE.finding(
            packages=[package.id],
            summary=f"{name}: {len(paths)} object(s) need {', '.join(names)}.",
            explanation=(
                f"{paths[0]} needs {names[0]}. Interpreters that are built without a shared library, as many "
                "distributions' are, do not have it, and where it exists a second copy of the interpreter is mapped."
            ),
            advice=[Advice(f"maintainer of {name}", "Do not link extension modules against libpython.")],
            key=[],
            objects=paths[:50],
            evidence={"needed": names, "objects": len(paths)},
        )


def _is_module(facts: ObjectFacts) -> bool:
    """Whether Python can import an object: it defines the function that its file name asks for."""
    stem = posixpath.basename(facts.path).partition(".")[0]
    named = facts.symbols.key == np.uint64(name_key(f"PyInit_{stem}"))
    return bool(np.any(named & (facts.symbols.shndx != 0)))

"""Several BLAS libraries with threads of their own in one process.

## What happens

Packages such as numpy and scipy each carry an OpenBLAS, MKL or BLIS, and all of them are loaded.

## Why it breaks

Usually it does not. Each library starts a thread for each core, so that together they start more threads than there
are cores, and needs memory for each of them. A limit that is set on one does not hold for the other.

## How the loader decides

The copies have names with a hash, so ld.so loads each. Each package's references are bound to its own copy, as long
as no copy is in the global scope.

## Example

The fixture `two_copies` builds two libraries that define `openblas_get_config` and `dgemm_`.

## Fix on each side

Limit the threads of all libraries with threadpoolctl. Maintainers can take the library from a shared package.

## Incidents

numpy and scipy wheels carry an OpenBLAS each, and coexist.

## Limits

A BLAS that is linked in with its symbols hidden is not seen. That references cross from one copy to another is the
business of other rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abiclash.rules.carried import carriers
from abiclash.rules.culprits import named
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from abiclash.rules.case import Case
    from abiclash.rules.model import Finding

RULE = Rule(
    id="duplicate-blas",
    title="Several BLAS libraries with their own threads",
    severity=Severity.NOTE,
    confidence=Confidence.CERTAIN,
    audience=Audience.RESEARCHER,
    mechanism=Mechanism.FILE,
    since="0.1",
    references=("https://github.com/joblib/threadpoolctl",),
)

THREADED = ("openblas", "mkl", "blis")


def check(case: Case) -> Iterable[Finding]:
    """State the first run that loads BLAS libraries of two packages."""
    for run in case.runs:
        found = dict(sorted(carriers(run, THREADED).items()))
        owners = {case.owner(file) for file in found}
        if len(owners) < 2:
            continue
        libraries = {
            case.path(file): " ".join(filter(None, next(iter(kinds.items())))) for file, kinds in found.items()
        }
        yield RULE.finding(
            packages=named(case, run, found),
            summary=f"{counted(len(found), 'BLAS library')} with their own threads share one process "
            f"({listed(owner or 'the host' for owner in owners)}).",
            explanation=(
                f"{listed(libraries)} are loaded together. Results are right, but each starts a thread for each core, "
                "which can make numerical code slower, and a limit set for one does not hold for the others."
            ),
            advice=[
                Advice("user", "Limit them all with threadpoolctl, or with OPENBLAS_NUM_THREADS and MKL_NUM_THREADS.")
            ],
            key=["blas"],
            objects=list(libraries),
            evidence={"libraries": libraries, "stage": run.stage.value},
        )
        return

"""A C API between packages that is checked when a module is imported, and whose two sides do not fit.

## What happens

An extension module asks another package's module for a table of functions, or for the size of its types, while it is
imported. The package that is installed has another layout than the one the module was compiled for.

## Why it breaks

The module refuses with ValueError, ImportError or RuntimeError ("numpy.dtype size changed", "compiled using NumPy 1.x
cannot be run in NumPy 2", "library version mismatch"), since going on would read memory with the wrong layout.

## How the loader decides

It has no part in this: the functions come out of a Python capsule. What a module was compiled for shows in the names
and messages among its strings, which come from the headers that it was compiled with.

## Example

The fixture `provider_and_user` has a module that asks for numpy's C API where numpy 1 keeps it, beside a numpy 2.

## Fix on each side

Install the releases that fit: an older provider, or a newer release of the user. The maintainer of the user should
state the limit in Requires-Dist, and compile with the newest headers that support old releases.

## Incidents

pandas 2.0.3 with numpy 2.0.0. xmlsec 1.3.14 with lxml 6.0.0: two static copies of libxml2 of different versions.

## Limits

For numpy 1 the exact C API version is inside the code and is not read. Sizes of Cython types of other packages, and
signatures of functions that Cython modules share, are not compared.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from abiclash.facts.installed import module_name
from abiclash.rules.carried import ids, owned, played_orders, requires
from abiclash.rules.case import Stage
from abiclash.rules.culprits import named, orders
from abiclash.rules.handshakes import Handshake, mismatches
from abiclash.rules.model import Advice, Audience, Confidence, Severity
from abiclash.rules.moved_apis import MOVES, asks_before, minima, version
from abiclash.rules.registry import Mechanism, Rule
from abiclash.rules.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from abiclash.linker.link_map import LinkMap
    from abiclash.rules.case import Case, Run
    from abiclash.rules.model import Finding
    from abiclash.rules.moved_apis import Move

RULE = Rule(
    id="python-abi",
    title="Two packages do not agree on the C API between them",
    severity=Severity.ERROR,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    mechanism=Mechanism.IMPORT,
    since="0.1",
    references=(
        "https://numpy.org/doc/stable/dev/depending_on_numpy.html",
        "https://docs.python.org/3/c-api/capsule.html",
    ),
)


def check(case: Case) -> Iterable[Finding]:
    """Look at APIs that moved, at minimal versions, and at libraries whose versions must be equal on both sides."""
    modules = _modules(case)
    for move in MOVES:
        yield from _moved(case, move, modules)
        yield from _too_old(case, move, modules)
    yield from _handshakes(case, modules)


def _modules(case: Case) -> dict[str, str]:
    """Return extension module -> package that installs it."""
    return {
        name: package.id.name
        for package in case.packages.values()
        for facts in package.wheel.objects
        if (name := module_name(facts.path.removeprefix(case.site_packages + "/"))) is not None
    }


def _moved(case: Case, move: Move, modules: dict[str, str]) -> Iterator[Finding]:
    provider = modules.get(move.after)
    if provider is None:
        return
    for user, found in _users(case, provider, lambda link: asks_before(link.facts, move)).items():
        yield _layout_finding(case, move, provider, user, found)


def _users(case: Case, provider: str, wanted: Callable[[LinkMap], bool]) -> dict[str, list[tuple[Run, LinkMap]]]:
    """Return, by package, the loaded modules of others than the provider of which `wanted` is true."""
    found: dict[str, list[tuple[Run, LinkMap]]] = defaultdict(list)
    known: dict[int, bool] = {}
    for run in case.runs:
        for owner, link in owned(case, run):
            if owner == provider or not link.facts.modules:
                continue
            if link.file not in known:
                known[link.file] = wanted(link)
            if known[link.file]:
                found[owner].append((run, link))
    return dict(sorted(found.items()))


def _sure(found: list[tuple[Run, LinkMap]], case: Case, enough: Sequence[str] = ("certain", "likely")) -> bool:
    """Tell whether an import surely, or most likely, loads one of the modules."""
    paths = {case.world.paths[link.file] for _, link in found}
    return any(
        played.load.path in paths and played.load.certainty in enough
        for run, _ in found
        if run.stage is Stage.IMPORT
        for played in run.played
    )


def _layout_finding(case: Case, move: Move, provider: str, user: str, found: list[tuple[Run, LinkMap]]) -> Finding:
    files = sorted({link.file for _, link in found}, key=case.path)
    there = case.packages[provider].id
    first = case.basename(files[0])
    reason = (
        f"{counted(len(files), 'extension module')} of {user}, such as {first}, compiled with headers of "
        f"{move.api} from before its C API moved, ask for it in {move.before} or check its types for the sizes they "
        f"had. {there} keeps it in {move.after} and has other sizes of its types"
    )
    outcome = (
        f'Importing {user} then stops with ImportError ("A module that was compiled using NumPy 1.x cannot be run in '
        f'NumPy {there.version}") or, in modules made by Cython, ValueError ("numpy.dtype size changed, may indicate '
        'binary incompatibility").'
    )
    wanted = f"{move.api}<{_epoch(there.version)}"
    return _finding(case, provider, user, found, _sure(found, case), reason, outcome, wanted, [move.api])


def _epoch(version: str) -> str:
    return version.partition(".")[0] or "2"


def _too_old(case: Case, move: Move, modules: dict[str, str]) -> Iterator[Finding]:
    """A module tells the oldest release that it supports; an older one that is there refuses it."""
    provider = modules.get(move.after) or modules.get(move.before)
    if provider is None:
        return
    there = version(case.packages[provider].id.version)
    if there is None:
        return
    # A package whose other modules accept this release supports it, and leaves out the module that does not:
    # h5py 3.16 imports h5py._npystrings only beside numpy 2. So there a guess is not enough.
    content = _users(case, provider, lambda link: any(least <= there for least in minima(link.facts, move)))
    for user, found in _users(
        case, provider, lambda link: any(least > there for least in minima(link.facts, move))
    ).items():
        least = max(version for _, link in found for version in minima(link.facts, move))
        sure = _sure(found, case, ("certain",) if user in content else ("certain", "likely"))
        files = {link.file for _, link in found}
        reason = (
            f"{counted(len(files), 'extension module')} of {user} compiled for the C API of {move.api} {least} "
            f"and later, meet {case.packages[provider].id}"
        )
        outcome = f'Importing {user} then stops: "module was compiled against NumPy C-API version ...".'
        key = [move.api, "minimum"]
        yield _finding(case, provider, user, found, sure, reason, outcome, f"{move.api}>={least}", key)


def _finding(
    case: Case,
    provider: str,
    user: str,
    found: list[tuple[Run, LinkMap]],
    sure: bool,
    reason: str,
    outcome: str,
    wanted: str,
    key: list[str],
) -> Finding:
    files = sorted({link.file for _, link in found}, key=case.path)
    run = found[0][0]
    failing = orders([run for run, _ in found])
    stated = requires(case, user, provider)
    return RULE.finding(
        packages=[*named(case, run, files[:1]), case.packages[provider].id],
        severity=Severity.ERROR if sure else Severity.WARNING,
        confidence=Confidence.LIKELY if sure else Confidence.POSSIBLE,
        summary=f"{case.packages[user].id} was compiled for another C API than {case.packages[provider].id} has.",
        explanation=f"{reason}.\n\n"
        + (outcome if sure else f"{outcome[:-1]} where one of these modules is needed.")
        + " The order of imports does not matter.",
        advice=[
            Advice(
                "user", f"Install '{wanted}', or a release of {user} that was built for {case.packages[provider].id}."
            ),
            Advice(
                f"maintainer of {user}",
                (f"State the limit '{wanted}' in Requires-Dist" if stated else f"Require '{wanted}'")
                + ", and build new releases with the newest headers, which support older releases too.",
            ),
        ],
        key=[*key, user],
        failing_order=failing[0],
        objects=[case.path(file) for file in files[:50]],
        evidence={
            "provider": str(case.packages[provider].id),
            "modules": len(files),
            "wanted": wanted,
            "stage": run.stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )


def _handshakes(case: Case, modules: dict[str, str]) -> Iterator[Finding]:
    seen: dict[tuple[int, int, str], tuple[Handshake, list[Run]]] = {}
    for run in case.runs:
        for shake in mismatches(case, run, modules):
            key = shake.user.file, shake.other.file, shake.library
            seen.setdefault(key, (shake, []))[1].append(run)
    for _, (shake, runs) in sorted(seen.items(), key=lambda item: item[0]):
        yield _handshake_finding(case, shake, runs)


def _handshake_finding(case: Case, shake: Handshake, runs: list[Run]) -> Finding:
    files = shake.user.file, shake.other.file
    user, other = (case.owner(file) or "" for file in files)
    sure = _sure([(run, shake.user) for run in runs], case)
    failing = orders(runs) or played_orders(case)
    library, (mine, theirs) = shake.library, shake.versions
    return RULE.finding(
        packages=[*named(case, runs[0], files), *ids(case, (user, other))],
        severity=Severity.ERROR if sure else Severity.WARNING,
        confidence=Confidence.LIKELY if sure else Confidence.POSSIBLE,
        summary=f"{user} contains {library} {mine} and {other} contains {library} {theirs}; {user} refuses that.",
        explanation=(
            f"{case.path(files[0])} takes objects of {library} from {case.path(files[1])}. Each has a copy of "
            f"{library} linked in: {mine} in {user}, {theirs} in {other}. Objects of one version are not safe in the "
            f'hands of the other, so {user} compares the versions and raises: "{shake.message}".\n\n'
            "The order of imports does not matter."
        ),
        advice=[
            Advice("user", f"Install releases of {user} and {other} that contain one version of {library}."),
            Advice(f"maintainer of {user}", f"State in Requires-Dist which releases of {other} fit this build."),
        ],
        key=[library, user],
        failing_order=failing[0],
        objects=[case.path(file) for file in files],
        evidence={
            "library": library,
            "versions": {user: mine, other: theirs},
            "message": shake.message,
            "stage": runs[0].stage.value,
            "failing_orders": [list(order) for order in failing],
        },
    )

"""From a resolution to facts: known ones from the store, the others fetched and indexed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from abiclash.errors import FactsError, NotAnalysed, SourceError
from abiclash.facts.content_hash import content_hash
from abiclash.facts.record import verify_record
from abiclash.sources.environment import Environment, distributions, open_environment
from abiclash.sources.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from abiclash.facts.model import WheelFacts
    from abiclash.facts.store import Store
    from abiclash.progress import Progress
    from abiclash.sources.resolution import Package, Resolution

_ADDRESSES = "addresses-1"
_ASKED_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class WheelSet:
    """Facts of everything that a resolution names.

    wheels: of wheel files, sorted by name. requested: names that the user asked for. packages: by sha256, to fetch
    the file when more than its facts is needed. installed: of an environment's distributions that no wheel replaces,
    and of single objects; their `members` give real paths. environment: where those come from.
    """

    wheels: tuple[WheelFacts, ...]
    requested: frozenset[str]
    packages: dict[str, Package]
    installed: tuple[WheelFacts, ...]
    environment: Environment | None
    not_analysed: tuple[NotAnalysed, ...]


def gather(
    resolution: Resolution,
    store: Store,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    offline: bool = False,
    verify: bool = False,
) -> WheelSet:
    """Return the facts of a resolution. A wheel whose facts are stored is not even downloaded.

    cache: where wheels are kept; by default the store's folder. verify: hash the files in wheels that were named by
    their path, and compare with RECORD (what an index gave has the hash that the index states). Raises StoreError where
    the cache cannot be written, SourceError where nothing at all can be read.
    """
    problems = list(resolution.not_analysed)
    with Fetcher(cache or store.root, offline=offline) as fetcher:
        packages = [_identified(package, store, problems) for package in resolution.packages]
        wanted = [package for package in packages if package is not None]
        known = _known(wanted, store)
        read = _index([p for p in wanted if p not in known], fetcher, store, workers, progress, problems)
    if verify:
        problems += _false_records(known | read, store)
    wheels = sorted([*known.values(), *read.values()], key=lambda facts: facts.name)
    environment, installed = _installed(
        resolution, {facts.name for facts in wheels}, store, workers, progress, problems
    )
    if not wheels and not installed:
        raise SourceError("; ".join(f"{item.what}: {item.reason}" for item in sorted(problems)) or "nothing to scan")
    return WheelSet(
        tuple(wheels),
        frozenset(package.name for package in resolution.packages if package.requested),
        {facts.sha256: package for package, facts in (known | read).items()},
        tuple(installed),
        environment,
        tuple(sorted(set(problems))),
    )


def _known(packages: Sequence[Package], store: Store) -> dict[Package, WheelFacts]:
    """Return what the store has; what was published elsewhere is asked for side by side, as asking is waiting."""
    hashes = {package: package.sha256 for package in packages if package.sha256}
    if store.upstream is None:
        found = list(map(store.get, hashes.values()))
    else:
        with ThreadPoolExecutor(_ASKED_AT_ONCE, thread_name_prefix="published") as pool:
            found = list(pool.map(store.get, hashes.values()))
    return {package: facts for package, facts in zip(hashes, found, strict=True) if facts is not None}


def _identified(package: Package, store: Store, problems: list[NotAnalysed]) -> Package | None:
    """Return a package with its sha256, as far as that is known without a download.

    A local file is hashed (once): what an index says of it may be wrong.
    """
    if package.path is None:
        if package.sha256 is None and package.url is not None:
            noted = store.get_document(_ADDRESSES, package.url)
            return replace(package, sha256=noted.decode()) if noted else package
        return package
    try:
        digest = content_hash(package.path, store)
    except FactsError as error:
        problems.append(NotAnalysed(package.filename, str(error)))
        return None
    if package.sha256 not in {None, digest}:
        reason = f"its sha256 is {digest}, but {package.sha256} was promised: it is damaged or was replaced"
        problems.append(NotAnalysed(str(package.path), reason))
        return None
    return replace(package, sha256=digest)


def _index(
    packages: list[Package],
    fetcher: Fetcher,
    store: Store,
    workers: int | None,
    progress: Progress | None,
    problems: list[NotAnalysed],
) -> dict[Package, WheelFacts]:
    """Fetch and index wheels; return the facts of those that could be."""
    if not packages:
        return {}
    from abiclash.facts.index import index_wheels  # noqa: PLC0415 - a scan of known wheels does without

    fetched: dict[Path, Package] = {}
    for package, path in zip(packages, fetcher.fetch_all(packages, progress), strict=True):
        if isinstance(path, NotAnalysed):
            problems.append(path)
        else:
            fetched[path] = package
    hashes = {path: path.parent.name if p.path is None else str(p.sha256) for path, p in fetched.items()}
    found = {}
    for path, facts in zip(fetched, index_wheels(list(fetched), store, workers, progress, hashes), strict=True):
        package = fetched[path]
        if isinstance(facts, NotAnalysed):
            problems.append(NotAnalysed(package.filename, facts.reason))
            continue
        found[package] = facts
        if package.url is not None and package.sha256 is None:
            store.put_document(_ADDRESSES, package.url, facts.sha256.encode())
    return found


def _false_records(found: Iterable[Package], store: Store) -> Iterator[NotAnalysed]:
    """Yield the files of local wheels that are not what RECORD says."""
    for package in found:
        if package.path is not None:
            try:
                yield from verify_record(package.path, str(package.sha256), store)
            except FactsError as error:
                yield NotAnalysed(package.filename, str(error))


def _installed(
    resolution: Resolution,
    replaced: set[str],
    store: Store,
    workers: int | None,
    progress: Progress | None,
    problems: list[NotAnalysed],
) -> tuple[Environment | None, list[WheelFacts]]:
    """Return the environment and the facts of what is installed in it, then those of single objects."""
    if resolution.environment is None and not resolution.objects:
        return None, []
    from abiclash.sources.installed import read_distributions, read_objects  # noqa: PLC0415 - as above

    facts, environment = [], None
    if resolution.environment is not None:
        environment = open_environment(resolution.environment)
        found, unfollowed = distributions(environment)
        problems += unfollowed
        facts = read_distributions([d for d in found if d.name not in replaced], store, workers, progress)
    return environment, facts + read_objects(resolution.objects, store)

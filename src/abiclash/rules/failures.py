"""Loads that ld.so refuses, sorted by cause, for the rules that speak about one kind each."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from abiclash.rules.case import Stage
from abiclash.rules.model import Confidence, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from abiclash.linker.link_map import LoadFailure
    from abiclash.rules.case import Case, Played, Run
    from abiclash.rules.model import PackageId


_PATH = re.compile(r"/[^\s:()`']+")


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Loads that fail for one reason. alone: also when the package is imported by itself.

    seen: (run, load) pairs, imports before later use. victims: packages whose loads fail.
    """

    failure: LoadFailure
    alone: bool
    seen: tuple[tuple[Run, Played], ...]
    victims: tuple[PackageId, ...]

    @property
    def run(self) -> Run:
        """The first run that shows it."""
        return self.seen[0][0]

    @property
    def at_import(self) -> bool:
        """Whether importing alone brings it about."""
        return self.run.stage is Stage.IMPORT

    @property
    def certain(self) -> bool:
        """Whether a load that surely happens fails."""
        return any(run.stage is Stage.IMPORT and played.load.certainty == "certain" for run, played in self.seen)

    @property
    def confidence(self) -> Confidence:
        if self.certain:
            return Confidence.CERTAIN
        return Confidence.LIKELY if self.at_import else Confidence.POSSIBLE

    @property
    def orders(self) -> list[tuple[str, ...]]:
        """The orders in which it happens."""
        return list(dict.fromkeys(run.order for run, _ in self.seen))

    @property
    def severity(self) -> Severity:
        """What fails only in company is an error; what fails alone is no conflict, but a warning at import.

        A plugin that perhaps nobody opens is a warning: its own library decides whether to load it, and often passes
        over one that does not load.
        """
        if not self.alone:
            return Severity.ERROR if self.at_import or self.extension else Severity.WARNING
        return Severity.WARNING if self.at_import else Severity.NOTE

    @property
    def extension(self) -> bool:
        """Whether an extension module is among what fails: whoever uses the package can import it."""
        return any(played.load.module is not None for _, played in self.seen)


def failure_groups(case: Case, *kinds: str) -> Iterator[FailureGroup]:
    """Yield the failures of these kinds (see `LoadFailure.kind`), one group for each cause, in a stable order."""
    seen: dict[tuple[str, str, str, int | None], list[tuple[Run, Played]]] = defaultdict(list)
    for run in case.runs:
        for played in run.played:
            failure = played.event.failure
            if failure is not None and failure.kind in kinds:
                seen[failure.kind, failure.object, failure.version, failure.key].append((run, played))
    for _, pairs in sorted(seen.items(), key=lambda item: str(item[0])):
        failure = pairs[0][1].event.failure
        if failure is None:
            continue
        fresh = {id(played) for run, _ in pairs for played in case.new_failures(run)}
        alone = not any(id(played) in fresh for _, played in pairs)
        victims = sorted({p for _, played in pairs if (p := victim(case, played)) is not None})
        yield FailureGroup(failure, alone, tuple(pairs), tuple(victims))


def safe_orders(case: Case, *groups: FailureGroup) -> list[tuple[str, ...]]:
    """Return the orders that avoid failures. What fails alone and in use only is no reason to choose an order."""
    orders = [order for group in groups for order in group.orders]
    return case.safe_orders(orders) if any(group.at_import or not group.alone for group in groups) else []


def packaged(case: Case, name: str) -> bool:
    """Tell whether a package installs a file under a path that ld.so did not find: then it is no ELF file.

    The model knows the files of wheels by their facts, and what is no ELF file has none.
    """
    path = shown(case, name)
    return "/" in name and any(path == file.path for entry in case.packages.values() for file in entry.wheel.files)


def victim(case: Case, played: Played) -> PackageId | None:
    """Return the package whose load fails."""
    name = played.load.package
    return case.packages[name].id if name is not None and name in case.packages else None


def bringer(case: Case, run: Run, file: int | None) -> PackageId | None:
    """Return the package whose load brought a file into the process, None for the interpreter itself, and no file."""
    for played in run.played:
        if file in played.event.new:
            return victim(case, played)
    return None


def loaded_by_name(run: Run, name: str) -> int | None:
    """Return the loaded object that ld.so names in a message."""
    for link in run.process.maps.values():
        if name in (link.name, link.facts.soname) or name in link.names:
            return link.file
    return None


def said(case: Case, failure: LoadFailure) -> str:
    """Return dlerror()'s whole message, with the name and version of an undefined symbol."""
    return failure.said(None if failure.key is None else case.names([failure.key])[failure.key])


def quoted(case: Case, failure: LoadFailure) -> str:
    """Return the same as findings quote it: paths as in `shown`."""
    return shown(case, said(case, failure))


def shown(case: Case, text: str) -> str:
    """Return a path, or a message with paths, as findings show it: without the folder of this environment."""
    return _PATH.sub(lambda path: posixpath.normpath(path[0]), text).replace(case.site_packages + "/", "")

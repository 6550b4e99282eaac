"""A finding retold step by step: what is imported, what that loads and why, what binds where, and how it ends."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from abiclash.reports.orders import around
from abiclash.reports.safe import name, prose
from abiclash.reports.symbols import bindings, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from abiclash.reports.paint import Paint
    from abiclash.rules.case import Case, Played, Run
    from abiclash.rules.model import Finding, ScanResult

_SYMBOLS = 6


def as_text(finding: Finding, result: ScanResult, case: Case | None, script: str, paint: Paint) -> str:
    """Return the story of a finding. case: what was played, for how objects get loaded; None: the report alone.

    script: of `reproducer`, or why there is none.
    """
    lines = [paint(f"{name(finding.id)}: {finding.severity.value}, {finding.confidence.value}", "bold")]
    lines += [*paint.wrap(finding.summary, 2), "", paint("How it comes about", "bold")]
    for number, step in enumerate(_steps(finding, result, case, paint), start=1):
        first, *rest = step
        lines += paint.wrap(f"{number}. {first}", 2, hang=3)
        lines += rest
    lines += ["", paint("What helps", "bold")] if finding.advice else []
    for advice in finding.advice:
        who = "you" if advice.who == "user" else advice.who
        lines += paint.wrap(f"- {who}: {advice.text}", 2, hang=2)
    lines += ["", paint("To see it happen", "bold"), *(f"  {prose(line)}" for line in script.splitlines())]
    return "\n".join(lines) + "\n"


def _steps(finding: Finding, result: ScanResult, case: Case | None, paint: Paint) -> Iterator[list[str]]:
    """Yield the steps: a sentence, and lines that belong to it."""
    host = result.host
    packages = ", ".join(name(str(package)) for package in finding.packages) or "the packages"
    place = f"Python {name(host.python)} on {name(host.machine)} with {name(host.libc)} {name(host.libc_version)}"
    yield [f"{packages} are together in one environment, for {place}."]
    about = [package.name for package in finding.packages]
    if finding.failing_order is not None:
        yield [f"A program imports {around(finding.failing_order, about)}, in this order."]
    run = _run(finding, case) if case is not None else None
    if case is not None and run is not None:
        yield from _loading(finding, case, run, paint)
    yield from _binding(finding, paint)
    for paragraph in finding.explanation.split("\n\n"):
        if paragraph.strip():
            yield [paragraph]
    if finding.safe_order is not None:
        yield [f"In the order {around(finding.safe_order, about)} none of this happens: the model played it."]


def _run(finding: Finding, case: Case) -> Run | None:
    """Return the process in which it happens: of the imports where they load what the finding names, else of use."""
    runs = [run for run in case.runs if finding.failing_order in (None, run.order)]
    wanted = set(finding.objects)
    return max(runs, key=lambda run: len(wanted & {case.path(file) for file in run.process.maps}), default=None)


def _loading(finding: Finding, case: Case, run: Run, paint: Paint) -> Iterator[list[str]]:
    """Yield how each object of the finding gets into the process, in load order."""
    wanted = set(finding.objects)
    start = set(run.process.maps)
    for played in run.played:
        for file in played.event.new:
            start.discard(file)
            path = case.path(file)
            if path in wanted:
                wanted.discard(path)
                yield [f"{_who(played)} brings {name(path)}.", *_route(case, run, played, file, paint)]
    for file in sorted(start):
        if case.path(file) in wanted:
            yield [f"{name(case.path(file))} is there from the start of the process."]


def _who(played: Played) -> str:
    package = played.load.package
    return f"Importing {name(package)}" if package else "The import"


def _route(case: Case, run: Run, played: Played, file: int, paint: Paint) -> list[str]:
    """Return the line of source that opens an object, and who needs whom from there."""
    cause = played.load.cause
    place = cause.file.removeprefix(case.site_packages + "/") + (f":{cause.line}" if cause.line else "")
    rows = [(name(place) or cause.kind, f"{name(cause.text, 120)} ({cause.kind})")]
    chain = [file]
    while (link := run.process.maps.get(chain[-1])) is not None and link.loader is not None and len(chain) < 20:
        if chain[-1] == played.event.file or link.loader in chain:
            break
        chain.append(link.loader)
    for user, needed in zip(reversed(chain), list(reversed(chain))[1:], strict=False):
        rows.append((name(case.path(user)), f"needs {name(posixpath.basename(case.path(needed)))}"))
    return list(paint.columns(rows, indent=7, stack=True))


def _binding(finding: Finding, paint: Paint) -> Iterator[list[str]]:
    """Yield who gets which definition, symbol by symbol."""
    rows = bindings(finding)
    names = readable([finding])
    grouped: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        grouped.setdefault(str(row.get("symbol", "")), []).append(row)
    for symbol in list(grouped)[:_SYMBOLS]:
        uses: Sequence[Mapping[str, object]] = grouped[symbol]
        table = [(name(str(use.get("from"))), f"-> {name(str(use.get('to')))}{_alone(use)}") for use in uses]
        yield [f"ld.so looks up {name(names.get(symbol, symbol))}:", *paint.columns(table, indent=7, stack=True)]
    if len(grouped) > _SYMBOLS:
        yield [f"And {len(grouped) - _SYMBOLS:,} more symbols likewise."]


def _alone(use: Mapping[str, object]) -> str:
    return f"  (alone: {name(str(use['alone']))})" if use.get("alone") else ""

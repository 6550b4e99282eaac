"""The exactness table: what ld.so bound in real imports, against what the linker's model binds for the same loads.

usage: python benchmarks/exactness.py [--only NAME ...] [--cache FOLDER] [--again] [--output FILE]

Makes the environments of scenarios.toml (wheels come from the package index), runs each program once under LD_DEBUG,
keeps what it saw, lets the model play the observed loads, and writes the table to docs/exactness.md (with --only, or
with --output -, to standard output). This runs the packages' code. Exit status 1 unless every binding agrees.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abiclash.errors import AbiclashError
from abiclash.glibc_versions import CHANGES
from abiclash.lab.compare import Comparison, compare, predict
from abiclash.lab.environments import Environment, find_python, make_environment
from abiclash.lab.observe import observe
from abiclash.lab.records import Observation, read_records, write_records

HERE = Path(__file__).parent
DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abiclash" / "exactness"
KEPT = "## Load failures"
TABLE = HERE.parent / "docs" / "exactness.md"
VERSIONS = """\
## glibc's versions

From `src/abiclash/glibc_versions.py`; the profile of the host says which version is meant.
"""
INTRODUCTION = """\
# Exactness

`python benchmarks/exactness.py` regenerates this page. Each row is a real program, run once under
`LD_DEBUG=bindings,files,scopes,reloc LD_BIND_NOW=1`; the linker's model then plays the observed loads in a process of
the same interpreter, and every binding (object that refers, symbol, version, object that defines) is compared.
Environments and programs: `benchmarks/scenarios.toml`.

Counted are the bindings of relocations, also those of a load that failed in the end. What ld.so logs besides is told
apart by rules, not by names (`src/abiclash/lab/bindlog.py`): a look-up outside the relocation of the object it is made
for is no relocation (dlsym, linux-vdso), nor are the four that ld.so makes for itself just before it relocates itself
again. Rows named *lazy* ran without LD_BIND_NOW, because the package counts on it; functions that were never called
are not bound there, so they are not counted. *Missing* were observed and not predicted, *extra* predicted and not
observed. Where loads failed, ld.so's messages are compared too, word for word.
"""


@dataclass(frozen=True)
class Row:
    """One scenario. objects: relocated ones. lookups: observed look-ups that are no relocations."""

    name: str
    python: str
    exit: int
    objects: int
    lookups: int
    result: Comparison
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the linker's model with ld.so on real imports.")
    parser.add_argument("--only", action="append", metavar="NAME", help="this scenario (may be repeated)")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER", help=f"default: {DEFAULT_CACHE}")
    parser.add_argument("--again", action="store_true", help="run the programs again although a record is there")
    parser.add_argument("--output", default=None, metavar="FILE", help="- for standard output")
    options = parser.parse_args()
    wanted = tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8"))
    scenarios = [case for case in wanted["scenarios"] if not options.only or case["name"] in options.only]
    if not scenarios:
        parser.error(f"no such scenario: {', '.join(options.only)}")
    rows, failed = [], 0
    for case in scenarios:
        try:
            rows.append(judge(case, wanted["environments"][case["environment"]], options))
        except AbiclashError as error:
            print(f"{case['name']}: {error}", file=sys.stderr)
            failed += 1
    output = options.output or ("-" if options.only or failed else str(TABLE))
    if output == "-":
        print(page(rows))
    else:
        Path(output).write_text(page(rows), encoding="utf-8")
    return 0 if rows and not failed and all(row.result.exact for row in rows) else 1


def judge(case: dict[str, Any], packages: dict[str, Any], options: argparse.Namespace) -> Row:
    environment = make_environment(
        packages["packages"], find_python(packages["python"]), options.cache / "environments"
    )
    observation = truth(environment, case, options)
    began = time.perf_counter()
    prediction = predict(environment.python, observation.records())
    result = compare(observation, prediction)
    seconds = time.perf_counter() - began
    objects = len({event.path for event in observation.events if event.kind == "relocate"})
    counts = (observation.exit, objects, len(observation.lookups))
    row = Row(case["name"], packages["python"], *counts, result, seconds)
    print(progress(row), file=sys.stderr, flush=True)
    return row


def truth(environment: Environment, case: dict[str, Any], options: argparse.Namespace) -> Observation:
    """The record of this program in this environment on this C library, made where it is not there yet."""
    bind_now = case.get("bind_now", True)
    parts = [environment.python, environment.pins, case["code"], bind_now, os.confstr("CS_GNU_LIBC_VERSION")]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]
    path = options.cache / "observed" / f"{case['name']}-{key}.jsonl.gz"
    if options.again or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_records(observe(environment.python, case["code"], bind_now=bind_now).records(), path)
    return read_records(path)


def progress(row: Row) -> str:
    text = f"{row.name}: {row.result.agree:,} of {row.result.observed:,} agree, {len(row.result.missing)} missing, "
    text += f"{len(row.result.extra)} extra, {row.seconds:.1f} s"
    for title, rows in (("missing", row.result.missing), ("extra", row.result.extra)):
        text += "".join(f"\n    {title}: {tuple(binding)}" for binding in rows[:5])
    if not row.result.failures_agree:
        text += f"\n    failed loads differ: {row.result.failures}"
    return text


def ending(row: Row) -> str:
    status = row.exit
    failed = f", {len(row.result.failures)} load failed" if row.result.failures else ""
    return (f"signal {-status}" if status < 0 else f"exit {status}") + failed


def line(row: Row) -> str:
    result = row.result
    counts = f"{result.observed:,} | {result.agree:,} | {len(result.missing)} | {len(result.extra)}"
    return f"| {row.name} | {row.python} | {ending(row)} | {row.objects} | {counts} | {result.percent:.3f} |"


def page(rows: list[Row]) -> str:
    lines = [
        "| scenario | Python | ended | objects | bindings observed | agree | missing | extra | % |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += map(line, rows)
    observed, agree = sum(row.result.observed for row in rows), sum(row.result.agree for row in rows)
    missing, extra = (sum(len(getattr(row.result, side)) for row in rows) for side in ("missing", "extra"))
    share = 100 * agree / max(1, agree + missing + extra)
    counts = f"**{observed:,}** | **{agree:,}** | {missing} | {extra} | **{share:.3f}**"
    lines.append(f"| **{len(rows)} scenarios** | | | | {counts} |")
    lookups = sum(row.lookups for row in rows)
    failures = sum(len(row.result.failures) for row in rows)
    worded = sum(len(row.result.failures) for row in rows if row.result.failures_agree)
    notes = (
        f"Set aside by the rules: {lookups:,} look-ups that are no relocations. "
        f"Messages of failed loads predicted: {worded} of {failures}. "
        f"Observed on {os.confstr('CS_GNU_LIBC_VERSION')}, {os.uname().machine}."
    )
    return f"{INTRODUCTION}\n" + "\n".join(lines) + f"\n\n{notes}\n\n{versions()}\n{kept()}"


def versions() -> str:
    """What the model takes from glibc's version."""
    lines = [f"| {change.since[0]}.{change.since[1]} | {change.what} | {change.where} |" for change in CHANGES]
    return "\n".join([VERSIONS, "| since | change | where |", "|---|---|---|", *lines, ""])


def kept() -> str:
    """The end of the page, which is written by hand."""
    text = TABLE.read_text(encoding="utf-8")
    return text[text.index(KEPT) :]


if __name__ == "__main__":
    sys.exit(main())

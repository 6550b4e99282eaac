"""The load plan table: what `import X` really loads, against the plan that is read from source and strings alone.

usage: python benchmarks/load_plans.py [--only IMPORT ...] [--environment NAME=FOLDER ...] [--cache FOLDER]
                                       [--again] [--output FILE]

Makes the environments of load_plans.toml (wheels come from the package index; --environment takes one that is there),
runs each import twice, so that the second run finds compiled bytecode, and reads from the dynamic linker's log which
objects it opened. Then plans the same import without executing anything, and writes the table to docs/load-plans.md
(with --only, or with --output -, to standard output). This runs the packages' code. Exit status 1 below the targets:
recall 0.95, precision 0.90 over all.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abiclash.errors import AbiclashError
from abiclash.facts.store import Store
from abiclash.imports.documents import Digests
from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import Load, LoadPlan, plan
from abiclash.imports.world import Python, World
from abiclash.lab.environments import find_python, make_environment
from abiclash.lab.run import Limits, run_child

HERE = Path(__file__).parent
DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abiclash" / "load-plans"
TABLE = HERE.parent / "docs" / "load-plans.md"
RECALL, PRECISION = 0.95, 0.90
_OPENED = re.compile(r"file=(\S+) \[\d+\];  dynamically loaded by")
_ASK = """
import importlib.machinery, json, platform, sys, sysconfig
print(json.dumps([sys.version_info[:3], importlib.machinery.EXTENSION_SUFFIXES, sys.builtin_module_names,
    platform.machine(), sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED"), sys.prefix,
    sys.executable, sysconfig.get_path("platlib")]))
"""
_WATCH = """
import atexit, json, sys
seen = {{}}
def caller():
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return [frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__")] if frame else ["", 0, ""]
class Watcher:
    def find_spec(self, name, path=None, target=None):
        seen.setdefault(name, caller())
        return None
sys.meta_path.insert(0, Watcher())
atexit.register(lambda: open({notes!r}, "w").write(json.dumps(seen)))
import {module}
"""
INTRODUCTION = f"""\
# Load plans

`python benchmarks/load_plans.py` regenerates this page. Each row is one `import`, run in a throw-away environment under
`LD_DEBUG=files`; every object that the dynamic linker was asked to open counts, those of the standard library too. The
plan of the same import is read from Python source and from the strings of extension modules; nothing is executed, no
observed plan is used, and no package is known by name. Environments: `benchmarks/load_plans.toml`.

*Recall* is the share of the opened objects that the plan holds as certain or likely, *precision* the share of those
that were opened. *Possible* loads, behind conditions that the reader cannot decide, count for neither; in brackets how
many of them happened. *Order* is the share of pairs of objects, among those in both, that the plan has in the order
observed. Targets: {RECALL} and {PRECISION}. With an observed plan (`abiclash plan X --observe`) all three are 1.
"""


Place = tuple[str, int, str]
"""A line of Python: file, number, and the module that runs it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One import. opened: observed objects in order. importers: module -> who imported it first."""

    module: str
    exit: int
    opened: tuple[str, ...]
    importers: dict[str, Place]
    found: LoadPlan
    seconds: float

    @property
    def predicted(self) -> dict[str, Load]:
        return {real(load.path): load for load in self.found.loads if load.certainty != "possible"}

    @property
    def possible(self) -> dict[str, Load]:
        return {real(load.path): load for load in self.found.loads if load.certainty == "possible"}

    @property
    def hits(self) -> list[str]:
        return [path for path in self.opened if path in self.predicted]

    @property
    def order(self) -> float | None:
        """Share of the pairs of hits that the plan has in the observed order (1 for all; None without a pair)."""
        place = {path: index for index, path in enumerate(self.predicted)}
        ranks = [place[path] for path in self.hits]
        pairs = len(ranks) * (len(ranks) - 1) // 2
        agree = sum(ranks[i] < ranks[j] for i in range(len(ranks)) for j in range(i + 1, len(ranks)))
        return agree / pairs if pairs else None


def real(path: str) -> str:
    return os.path.realpath(path) if "/" in path else path


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare load plans with what real imports load.")
    parser.add_argument("--only", action="append", metavar="IMPORT", help="this import (may be repeated)")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=FOLDER", help="one made before")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER", help=f"default: {DEFAULT_CACHE}")
    parser.add_argument("--again", action="store_true", help="run the imports again although a record is there")
    parser.add_argument("--output", default=None, metavar="FILE", help="- for standard output")
    options = parser.parse_args()
    made = dict(entry.split("=", 1) for entry in options.environment)
    rows: list[Row] = []
    wanted = tomllib.loads((HERE / "load_plans.toml").read_text(encoding="utf-8"))["environments"]
    for name, environment in wanted.items():
        modules = [module for module in environment["imports"] if not options.only or module in options.only]
        if modules:
            folder = Path(made[name]) if name in made else environment_of(environment, options.cache)
            rows += judged(folder, modules, options)
    if not rows:
        parser.error("no such import in load_plans.toml")
    output = options.output or ("-" if options.only else str(TABLE))
    if output == "-":
        print(page(rows))
    else:
        Path(output).write_text(page(rows), encoding="utf-8")
    recall, precision = totals(rows)
    return 0 if recall >= RECALL and precision >= PRECISION else 1


def environment_of(environment: dict[str, Any], cache: Path) -> Path:
    return make_environment(environment["packages"], find_python(environment["python"]), cache / "environments").path


def judged(folder: Path, modules: list[str], options: argparse.Namespace) -> list[Row]:
    rows = []
    python, site = layout(str(folder / "bin/python"))
    for module in modules:
        try:
            status, opened, importers = observation(str(folder / "bin/python"), module, options)
        except AbiclashError as error:
            print(f"{module}: {error}", file=sys.stderr)
            continue
        began = time.perf_counter()
        found = plan([module], world_of(python, site, options.cache))
        row = Row(module, status, opened, importers, found, time.perf_counter() - began)
        print(line(row), file=sys.stderr, flush=True)
        rows.append(row)
        gc.collect()
    return rows


def layout(program: str) -> tuple[Python, str]:
    """Ask an interpreter what it is; return that and its site-packages."""
    answer = subprocess.run([program, "-I", "-c", _ASK], capture_output=True, text=True, check=True)
    version, suffixes, builtins, machine, stdlib, dynload, prefix, executable, site = json.loads(answer.stdout)
    facts = {"machine": machine, "stdlib": stdlib, "dynload": dynload, "prefix": prefix, "executable": executable}
    return Python(tuple(version), tuple(suffixes), frozenset(builtins), **facts), os.path.realpath(site)


def world_of(python: Python, site: str, cache: Path) -> World:
    assert python.stdlib is not None
    assert python.dynload is not None
    trees = (DirectoryFiles(site), DirectoryFiles(python.dynload, {}), DirectoryFiles(python.stdlib, {}))
    return World(python, trees, [python.stdlib, python.dynload, site], Digests(Store(cache / "store")))


Observed = tuple[int, tuple[str, ...], dict[str, Place]]


def observation(program: str, module: str, options: argparse.Namespace) -> Observed:
    """What an import opened, as recorded; it is run where there is no record yet."""
    key = hashlib.sha256(json.dumps([program, module]).encode()).hexdigest()[:12]
    path = options.cache / "observed" / f"{module}-{key}.json"
    if options.again or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(observe(program, module)), encoding="utf-8")
    status, opened, importers = json.loads(path.read_text(encoding="utf-8"))
    return status, tuple(opened), {name: (file, line, by) for name, (file, line, by) in importers.items()}


def observe(program: str, module: str) -> tuple[int, list[str], dict[str, Place]]:
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        folder = Path(name)
        notes = folder / "notes"
        limits = Limits(seconds=300)
        watch = _WATCH.format(notes=str(notes), module=module)
        run_child([program, "-I", "-W", "ignore", "-c", watch], folder, limits=limits)
        log = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(folder / "log")}
        run = run_child([program, "-I", "-W", "ignore", "-c", f"import {module}"], folder, environ=log, limits=limits)
        with (folder / f"log.{run.pid}").open(encoding="latin1") as lines:
            opened = [real(match[1]) for text in lines if (match := _OPENED.search(text))]
        importers = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    return run.exit, list(dict.fromkeys(opened)), importers


def ratio(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def totals(rows: list[Row]) -> tuple[float, float]:
    hits = sum(len(row.hits) for row in rows)
    opened, predicted = sum(len(row.opened) for row in rows), sum(len(row.predicted) for row in rows)
    return hits / max(opened, 1), hits / max(predicted, 1)


def line(row: Row) -> str:
    hits, order = len(row.hits), row.order
    likely = len(row.opened) and sum(path in row.possible for path in row.opened)
    cells = [
        f"`{row.module}`", str(len(row.opened)), str(len(row.predicted)), ratio(hits, len(row.opened)),
        ratio(hits, len(row.predicted)), f"{len(row.possible)} ({likely})", "-" if order is None else f"{order:.3f}",
        str(row.found.modules), f"{row.seconds:.2f}",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def page(rows: list[Row]) -> str:
    recall, precision = totals(rows)
    opened, predicted = sum(len(row.opened) for row in rows), sum(len(row.predicted) for row in rows)
    exact = sum(set(row.opened) == set(row.predicted) for row in rows)
    orders = [row.order for row in rows if row.order is not None]
    lines = [
        INTRODUCTION,
        f"**{len(rows)} imports, {opened:,} objects opened, {predicted:,} planned.**",
        f"**Recall {recall:.3f}, precision {precision:.3f}.**",
        f"{exact} plans are exact. Order: {sum(orders) / max(len(orders), 1):.3f} on average.\n",
        "| import | opened | planned | recall | precision | possible | order | modules read | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(line(row) for row in sorted(rows, key=lambda row: row.module.lower())),
        "\n## What the plans miss\n",
        *misses(rows),
        "\n## What the plans hold and the imports did not open\n",
        *extras(rows),
        "",
    ]
    return "\n".join(lines)


def short(path: str) -> str:
    """Return a path as it reads in the table: below site-packages or lib-dynload."""
    for place in ("/site-packages/", "/lib-dynload/"):
        if place in path:
            return path.split(place, 1)[1].partition(".")[0] + ".so"
    return path.rpartition("/")[2] or path


def misses(rows: list[Row]) -> list[str]:
    """One item for each cause: which objects, in which imports, and who imported them."""
    causes: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        for path in row.opened:
            if path not in row.predicted:
                cause = miss_cause(row, path)
                causes.setdefault(cause, {}).setdefault(row.module, set()).add(short(path))
    return [*items(causes), "- nothing"][: max(len(causes), 1)]


def miss_cause(row: Row, path: str) -> str:
    if path in row.possible:
        return "planned as possible: behind a condition that the reader cannot decide"
    tail = Path(path).name.partition(".")[0]
    importer = next((place for name, place in row.importers.items() if name.rpartition(".")[2] == tail), None)
    if importer is None:
        return "opened by C code that names it at run time"
    followed = {module.name for module in row.found.executed}
    for _ in row.importers:
        if importer[2] in followed or importer[2] not in row.importers:
            break
        importer = row.importers[importer[2]]
    return f"`{source(importer)}` {statement(importer)}"


def source(place: Place) -> str:
    file = place[0].split("/site-packages/")[-1]
    return f"{re.sub(r'^.*/lib/python3[.][0-9]+/', '', file)}:{place[1]}"


def statement(place: Place) -> str:
    """Say whether the importing line is an import, or calls something that imports."""
    try:
        text = Path(place[0]).read_text(encoding="utf-8", errors="replace").splitlines()[place[1] - 1].strip()
    except (OSError, IndexError):
        return "(no source)"
    return "imports C code, which imports it" if text.startswith(("import ", "from ")) else f"`{text[:60]}`"


def extras(rows: list[Row]) -> list[str]:
    """One item for each cause: what made the plan hold an object that was not opened."""
    causes: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        for path, load in row.predicted.items():
            if path not in row.opened:
                cause = f"{load.cause.kind}: `{source((load.cause.file, load.cause.line, ''))}` `{load.cause.text}`"
                causes.setdefault(cause, {}).setdefault(row.module, set()).add(short(path))
    return items(causes) or ["- nothing"]


def items(causes: dict[str, dict[str, set[str]]]) -> list[str]:
    counted = {cause: sum(map(len, found.values())) for cause, found in causes.items()}
    return [
        f"- {cause} - {counted[cause]}: "
        + "; ".join(f"`{module}` {', '.join(sorted(paths))}" for module, paths in sorted(causes[cause].items()))
        for cause in sorted(causes, key=lambda cause: (-counted[cause], cause))
    ]


if __name__ == "__main__":
    sys.exit(main())

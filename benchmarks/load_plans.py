"""The load plan table: what `import X` really loads, against the plan that is read from source and strings alone.

usage: python benchmarks/load_plans.py [--only IMPORT ...] [--environment NAME=FOLDER ...] [--cache FOLDER]
                                       [--again] [--drop] [--output FILE]

Makes the environments of load_plans.toml (wheels come from the package index; --environment takes one that is there,
--drop removes each when its imports are judged), runs each import under LD_DEBUG once and keeps what it opened. Then
plans the same import without executing anything, and writes the table to docs/load-plans.md (with --only, or with
--output -, to standard output). This runs the packages' code. Exit status 1 below the targets: recall 0.95, precision
0.90 over all.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from load_plan_page import PRECISION, RECALL, Row, line, page, total
from observations import Observation, Place, observation

from abiclash.errors import AbiclashError
from abiclash.facts.store import Store
from abiclash.imports.documents import Digests
from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import Load, LoadPlan, plan
from abiclash.imports.world import Python, World
from abiclash.lab.environments import find_python, make_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "abiclash" / "load-plans"
TABLE = HERE.parent / "docs" / "load-plans.md"
_ASK = """
import importlib.machinery, json, platform, sys, sysconfig
print(json.dumps([sys.version_info[:3], importlib.machinery.EXTENSION_SUFFIXES, sys.builtin_module_names,
    platform.machine(), sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED"), sys.prefix,
    sys.executable, sysconfig.get_path("platlib")]))
"""


def main() -> int:
    options = arguments()
    made = dict(entry.split("=", 1) for entry in options.environment)
    rows: list[Row] = []
    wanted = tomllib.loads((HERE / "load_plans.toml").read_text(encoding="utf-8"))["environments"]
    for name, environment in wanted.items():
        modules = [module for module in environment["imports"] if not options.only or module in options.only]
        if modules and name in made:
            rows += judged(Path(made[name]), environment, modules, options)
        elif modules:
            python = find_python(environment["python"])
            folder = make_environment(environment["packages"], python, options.cache / "environments")
            rows += judged(folder.path, environment, modules, options)
            if options.drop:
                folder.remove()
    if not rows:
        print("no such import in load_plans.toml", file=sys.stderr)
        return 2
    output = options.output or ("-" if options.only else str(TABLE))
    if output == "-":
        print(page(rows))
    else:
        Path(output).write_text(page(rows), encoding="utf-8")
    summary = total(rows)
    return 0 if summary.recall >= RECALL and summary.precision >= PRECISION else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare load plans with what real imports load.")
    parser.add_argument("--only", action="append", metavar="IMPORT", help="this import (may be repeated)")
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=FOLDER", help="one made before")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER", help=f"default: {DEFAULT_CACHE}")
    parser.add_argument("--again", action="store_true", help="run the imports again although a record is there")
    parser.add_argument("--drop", action="store_true", help="remove environments when they are judged")
    parser.add_argument("--output", default=None, metavar="FILE", help="- for standard output")
    return parser.parse_args()


def judged(folder: Path, wanted: Mapping[str, Any], modules: list[str], options: argparse.Namespace) -> list[Row]:
    rows = []
    python, site = layout(str(folder / "bin/python"))
    for module in modules:
        try:
            seen = observation(folder, wanted, module, options.cache / "observed", anew=options.again)
        except AbiclashError as error:
            print(f"{module}: {error}", file=sys.stderr)
            continue
        began = time.process_time()
        found = plan([module], world_of(python, site, options.cache))
        rows.append(row_of(module, seen, found, time.process_time() - began))
        print(line(rows[-1]), file=sys.stderr, flush=True)
        del found
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


def row_of(module: str, seen: Observation, found: LoadPlan, seconds: float) -> Row:
    predicted = {real(load.path): load for load in found.loads if load.certainty != "possible"}
    possible = {real(load.path): load for load in found.loads if load.certainty == "possible"}
    followed = {executed.name for executed in found.executed}
    opened = frozenset(seen.opened)
    return Row(
        module=module,
        opened=seen.opened,
        again=seen.again,
        predicted=tuple(predicted),
        possible=tuple(possible),
        missed=tuple(
            (miss_cause(path, seen, possible, followed), short(path)) for path in seen.opened if path not in predicted
        ),
        extra=tuple((extra_cause(load), short(path)) for path, load in predicted.items() if path not in opened),
        modules=found.modules,
        seconds=seconds,
    )


def real(path: str) -> str:
    return os.path.realpath(path) if "/" in path else path


def short(path: str) -> str:
    """Return a path as it reads in the table: below site-packages or lib-dynload."""
    for place in ("/site-packages/", "/lib-dynload/"):
        if place in path:
            return re.sub(r"(\.cpython-[^/]*|\.abi3)?\.so$", ".so", path.split(place, 1)[1])
    return path.rpartition("/")[2] or path


def miss_cause(path: str, seen: Observation, possible: Mapping[str, Load], followed: set[str]) -> str:
    if path in possible:
        return f"possible, `{source((possible[path].cause.file, possible[path].cause.line, ''))}`: a condition decides"
    tail = Path(path).name.partition(".")[0]
    importer = next((place for name, place in seen.importers.items() if name.rpartition(".")[2] == tail), None)
    if importer is None:
        return "opened by C code that names it at run time"
    for _ in seen.importers:
        if importer[2] in followed or importer[2] not in seen.importers:
            break
        importer = seen.importers[importer[2]]
    return f"`{source(importer)}` {statement(importer)}"


def extra_cause(load: Load) -> str:
    return f"{load.cause.kind}: `{source((load.cause.file, load.cause.line, ''))}` `{load.cause.text}`"


def source(place: Place) -> str:
    file = re.sub(r"^.*/lib/python3[.][0-9]+/", "", place[0].split("/site-packages/")[-1])
    return f"{file}:{place[1]}" if place[1] else file


def statement(place: Place) -> str:
    """Say whether the importing line is an import, or calls something that imports."""
    try:
        text = Path(place[0]).read_text(encoding="utf-8", errors="replace").splitlines()[place[1] - 1].strip()
    except (OSError, IndexError):
        return "(no source)"
    return "imports C code, which imports it" if text.startswith(("import ", "from ")) else f"`{text[:60]}`"


if __name__ == "__main__":
    sys.exit(main())

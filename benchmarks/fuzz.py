"""Fuzz the readers for as long as you like, and keep the figures: python benchmarks/fuzz.py run [TARGET...].

run    fuzz targets (default: all) with atheris, until each has had --runs executions or --seconds; add to the ledger
keep   choose the inputs that tests run on from what fuzzing found (--folder), the smallest that reach all of the code
seed   make the first inputs again, from small real things (needs gcc)

Needs the dependency group `fuzz`. An input that raises, hangs for 20 s or takes 3 GB is left in --folder and counted.
The demangler's work is done in a helper that coverage cannot see: it gets mutated names, 500 at a time.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzz.seeds import MAKERS  # noqa: E402
from tests.fuzz.target import NAMES, keep, kept, load, mutations  # noqa: E402

LEDGER = Path(__file__).parent / "fuzz.json"
CHUNK = 200_000
"""Executions of one process: libFuzzer and its tables of comparisons grow slowly."""
BATCH = 500
KEPT_BYTES = 60_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "keep", "seed"))
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, default=CHUNK)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--folder", type=Path, default=Path("fuzzing"))
    options = parser.parse_args()
    for name in options.targets:
        folder = options.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        if options.command == "seed":
            keep(name, list(MAKERS[name]()))
        elif options.command == "keep":
            keep(name, _chosen(name, folder))
        elif name == "demangle":
            _record(name, *_names(options.runs, options.seconds), 0)
        else:
            _run(name, options.runs, options.seconds, folder)


def _run(name: str, runs: int, seconds: float, folder: Path) -> None:
    """Run chunk after chunk; what was found goes on being used."""
    for number, raw in enumerate(kept(name)):
        (folder / f"kept-{number}").write_bytes(raw)
    end = time.monotonic() + seconds
    while runs > 0 and (left := end - time.monotonic()) > 1:
        began = time.monotonic()
        limits = [f"-runs={min(runs, CHUNK)}", f"-max_total_time={int(left)}", "-print_final_stats=1"]
        log = _fuzz(name, *limits, f"-artifact_prefix={folder}-", str(folder))
        done = int(found[1]) if (found := re.search(r"number_of_executed_units: (\d+)", log)) else 0
        failed = "Test unit written to" in log
        _record(name, done, time.monotonic() - began, int(failed))
        runs -= done
        if failed or not done:
            print(log[-3000:])
            return


def _fuzz(name: str, *options: str) -> str:
    command = [sys.executable, "-m", "tests.fuzz", name, *options]
    return subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, check=False, text=True, errors="replace").stderr


def _names(runs: int, seconds: float) -> tuple[int, float]:
    """Demangle mutated names, many in one call."""
    target = load("demangle")
    names = [name for raw in kept("demangle") for name in raw.split(b"\n")]
    began, done = time.monotonic(), 0
    while done < runs and time.monotonic() < began + seconds:
        batch = (name.replace(b"\n", b"") for name in mutations(names, BATCH, done, 5000))
        target.run(b"\n".join(batch))
        done += BATCH
    return done, time.monotonic() - began


def _record(name: str, executions: int, seconds: float, failures: int) -> None:
    ledger = json.loads(LEDGER.read_text("utf-8")) if LEDGER.is_file() else {}
    own = ledger.setdefault(name, {"executions": 0, "seconds": 0, "failures": 0})
    own["executions"] += executions
    own["seconds"] += round(seconds)
    own["failures"] += failures
    LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{name}: {executions} executions in {seconds:.0f} s, {failures} failures", flush=True)


def _chosen(name: str, folder: Path) -> list[bytes]:
    """Return the smallest inputs that reach what all reach, as far as there is room for them."""
    smallest = folder.with_name(f"{name}-smallest")
    smallest.mkdir(exist_ok=True)
    _fuzz(name, "-merge=1", str(smallest), str(folder))
    found = sorted((path.read_bytes() for path in smallest.iterdir()), key=len)
    chosen, room = list(MAKERS[name]()), KEPT_BYTES
    for raw in found:
        if len(raw) <= room:
            chosen.append(raw)
            room -= len(raw)
    return chosen


if __name__ == "__main__":
    main()

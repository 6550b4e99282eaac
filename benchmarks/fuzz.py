"""Fuzz the readers for as long as you like, and keep the figures: python benchmarks/fuzz.py run [TARGET...].

run    fuzz targets (default: all) until each has had --runs executions or --seconds; add to the ledger. The --guided
       part of both with atheris, guided by coverage; the rest changes what that found, without guidance: it is faster.
       --afresh: what earlier code was run on no longer counts
keep   add the smallest inputs that reach more code, of what fuzzing found (--folder), to those that tests run on
seed   make the first inputs again, from small real things (needs gcc)

Needs the dependency group `fuzz`. An input that raises, hangs for 20 s or takes 3 GB is left in --folder and counted.
The demangler's work is done in a helper that coverage cannot see: it gets mutated names, 2,000 at a time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from abiclash.demangle import LONGEST  # noqa: E402
from tests.fuzz.seeds import MAKERS  # noqa: E402
from tests.fuzz.target import NAMES, keep, kept, load, mutations  # noqa: E402

LEDGER = Path(__file__).parent / "fuzz.json"
CHUNK = 200_000
"""Executions of one process: libFuzzer and its tables of comparisons grow slowly."""
BATCH = 2000
_FAILED = re.compile("Test unit written to .*-(?:crash|timeout|oom)-")  # not -slow-unit-: 10 s, on a busy machine
KEPT_BYTES = 80_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "keep", "seed"))
    parser.add_argument("targets", nargs="*", default=NAMES, help=f"of {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, default=CHUNK, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=600.0, help="default: %(default)s")
    parser.add_argument("--guided", type=float, default=0.5, help="default: %(default)s")
    parser.add_argument("--afresh", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("fuzzing"))
    options = parser.parse_args()
    for name in options.targets:
        folder = options.folder.resolve() / name
        folder.mkdir(parents=True, exist_ok=True)
        if options.command == "seed":
            keep(name, list(MAKERS[name]()))
        elif options.command == "keep":
            keep(name, _chosen(name, folder))
        else:
            if options.afresh:
                _write({other: own for other, own in _ledger().items() if other != name})
            _run(name, options.runs, options.seconds, options.guided, folder)


def _run(name: str, runs: int, seconds: float, guided: float, folder: Path) -> None:
    if name == "demangle":
        _record(name, 0, *_names(runs, seconds), 0)
        return
    for number, raw in enumerate(kept(name)):
        (folder / f"kept-{number}").write_bytes(raw)
    end, left = time.monotonic() + seconds, runs
    left -= _guided(name, int(runs * guided), seconds * guided, folder)
    seed = _ledger().get(name, {}).get("executions", 0)
    _counted(name, "tests.fuzz.plain", name, str(left), str(end - time.monotonic()), str(seed), str(folder))


def _guided(name: str, runs: int, seconds: float, folder: Path) -> int:
    """Run chunk after chunk; what was found goes on being used."""
    end, done = time.monotonic() + seconds, 0
    while done < runs and (left := end - time.monotonic()) > 1:
        limits = [f"-runs={min(runs - done, CHUNK)}", f"-max_total_time={int(left)}", "-print_final_stats=1"]
        # Quick inputs more often than slow ones, which reach no more.
        fast = ["-entropic_scale_per_exec_time=1", f"-artifact_prefix={folder}-", str(folder)]
        now = _counted(name, "tests.fuzz", name, *limits, *fast)
        done += now
        if not now:
            break
    return done


def _counted(name: str, *command: str) -> int:
    """Run one child and record what it did; 0 where an input failed."""
    began = time.monotonic()
    log = _child(*command)
    done = int(found[1]) if (found := re.search(r"number_of_executed_units: (\d+)", log)) else 0
    failed = bool(_FAILED.search(log))
    _record(name, done if command[0] == "tests.fuzz" else 0, done, time.monotonic() - began, int(failed))
    if failed or not done:
        print(log[-3000:])
    return 0 if failed else done


def _child(*command: str) -> str:
    """Run a module; return what it wrote to stderr. Backtraces of the Parquet library's panics take long."""
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    full = [sys.executable, "-m", *command]
    run = subprocess.run(
        full, cwd=ROOT, env=environment, stderr=subprocess.PIPE, check=False, text=True, errors="replace"
    )
    return run.stderr


def _names(runs: int, seconds: float) -> tuple[int, float]:
    """Demangle mutated names, many in one call; those that still look mangled count."""
    target = load("demangle")
    names = [name for raw in kept("demangle") for name in raw.split(b"\n")]
    began, done = time.monotonic(), 0
    for seed in itertools.count():
        if done >= runs or time.monotonic() > began + seconds:
            break
        batch = {name.replace(b"\n", b"") for name in mutations(names, BATCH, seed, LONGEST)}
        target.run(b"\n".join(sorted(batch)))
        done += sum(name.startswith(b"_Z") for name in batch)
    return done, time.monotonic() - began


def _record(name: str, guided: int, executions: int, seconds: float, failures: int) -> None:
    ledger = _ledger()
    own = ledger.setdefault(name, {"executions": 0, "guided": 0, "seconds": 0, "failures": 0})
    own["executions"] += executions
    own["guided"] += guided
    own["seconds"] += round(seconds)
    own["failures"] += failures
    commit = subprocess.check_output(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, text=True).strip()
    by_commit = own.setdefault("commits", {})
    by_commit[commit] = by_commit.get(commit, 0) + executions
    _write(ledger)
    print(f"{name}: {executions} executions in {seconds:.0f} s, {failures} failures", flush=True)


def _ledger() -> dict[str, Any]:
    ledger: dict[str, Any] = json.loads(LEDGER.read_text("utf-8")) if LEDGER.is_file() else {}
    return ledger


def _write(ledger: dict[str, Any]) -> None:
    LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n", "utf-8")


def _chosen(name: str, folder: Path) -> list[bytes]:
    """Return what is kept already, as it may have found a bug, and the smallest inputs that reach more."""
    merged = folder.with_name(f"{name}-merged")
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir()
    chosen = kept(name)
    for number, raw in enumerate(chosen):
        (merged / f"kept-{number}").write_bytes(raw)
    _child("tests.fuzz", name, "-merge=1", str(merged), str(folder))
    more = sorted({path.read_bytes() for path in merged.iterdir()} - set(chosen), key=lambda raw: (len(raw), raw))
    room = KEPT_BYTES - sum(map(len, chosen))
    for raw in more:
        room -= len(raw)
        if room > 0:
            chosen.append(raw)
    return chosen


if __name__ == "__main__":
    main()

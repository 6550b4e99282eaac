"""Time and memory of predicting every binding of an import, against observing them under LD_DEBUG.

usage: python benchmarks/linker_speed.py [--scenario NAME] [--runs N] [--cache FOLDER]

Uses an environment of scenarios.toml (made when absent). Prints a Markdown table of one machine's best times; the
ratio is what counts: the prediction is to be at least 5 times faster than the observed run, and under 1 GB.
This runs the packages' code.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from exactness import DEFAULT_CACHE

from abiclash.lab.compare import predict
from abiclash.lab.environments import find_python, make_environment
from abiclash.lab.observe import observe
from abiclash.sources.live_host import live

if TYPE_CHECKING:
    from collections.abc import Callable

    from abiclash.lab.records import Record

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Predicted against observed bindings: time and memory.")
    parser.add_argument("--scenario", default="tf221-pyarrow26-py311", metavar="NAME")
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, metavar="FOLDER")
    options = parser.parse_args()
    wanted = tomllib.loads((HERE / "scenarios.toml").read_text(encoding="utf-8"))
    case = next((case for case in wanted["scenarios"] if case["name"] == options.scenario), None)
    if case is None:
        parser.error(f"no such scenario: {options.scenario}")
    packages = wanted["environments"][case["environment"]]
    environment = make_environment(
        packages["packages"], find_python(packages["python"]), options.cache / "environments"
    )
    python, code = environment.python, case["code"]

    plain = best(lambda: subprocess.run([python, "-c", code], check=False, capture_output=True), options.runs)
    seen = [observe(python, code) for _ in range(options.runs)]
    observed = min(found.run.seconds for found in seen if found.run)
    records = list(seen[0].records())
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its peak memory is the prediction's alone
        cold, warm, count, peak = pool.apply(predicted, (python, loads_of(records), options.runs))
    print(f"`{code}`, {count:,} bindings, best of {options.runs}\n")
    print("| | seconds | observed / predicted |\n|---|--:|--:|")
    print(f"| the program alone | {plain:.2f} | |")
    print(f"| observed under LD_DEBUG | {observed:.2f} | |")
    print(f"| predicted, reading the ELF files | {cold:.2f} | {observed / cold:.1f} |")
    print(f"| predicted, facts at hand | {warm:.2f} | {observed / warm:.1f} |")
    print(f"\nPeak memory of the prediction: {peak / 1024:.0f} MB.")


def loads_of(records: list[Record]) -> list[Record]:
    return [record for record in records if not {"from", "lookup"} & record.keys()]


def predicted(python: str, events: list[Record], runs: int) -> tuple[float, float, int, int]:
    """Seconds from files, seconds from facts in memory, number of bindings, peak memory in KiB."""
    cold = best(lambda: predict(python, events), 1)
    host = live(Path(python), environ={})
    count = len(predict(python, events, host).bindings)
    warm = best(lambda: predict(python, events, host), runs)
    return cold, warm, count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def best(work: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


if __name__ == "__main__":
    main()

"""Whole scans from stored facts: two large packages, and a set of fifty.

    python benchmarks/sets.py [--runs N] [--cache DIR] [--only NAME] [-r REQUIREMENTS]

Each row is `abiclash scan` as a user runs it, a process of its own, start-up included. It is run once to fetch and
store what it needs, which does not count; the least of the runs after that does.
Targets: 3 s wall for two packages, 10 s for fifty.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from measured import Cost, best, table

PAIR = ("tensorflow", "pyarrow")
FIFTY = Path(__file__).with_name("fifty.txt")
_SCAN = "from abiclash.cli import main; main()"
_COULD_NOT = 2  # and above: the scan was not done


def scanned(arguments: list[str], cache: Path | None) -> Cost:
    """Run a scan and return what it cost. Raises RuntimeError when it could not be done."""
    environment = dict(os.environ) | ({"ABICLASH_CACHE": str(cache)} if cache else {})
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _SCAN, "scan", *arguments, "--quiet"],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode == _COULD_NOT:
        raise RuntimeError(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, after.ru_maxrss * 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="where wheels and facts are kept; by default the user's")
    parser.add_argument("--only", choices=["pair", "fifty"])
    parser.add_argument("-r", "--requirements", type=Path, default=FIFTY, help="the set (default: fifty.txt)")
    options = parser.parse_args()
    python = ["--python", "3.11", "--platform", "manylinux_2_28_x86_64"]
    works = {
        "pair": (f"{' and '.join(PAIR)}, both orders", [*PAIR, *python]),
        "fifty": ("fifty packages", ["-r", str(options.requirements), *python]),
    }
    rows = []
    for name, (title, arguments) in works.items():
        if options.only in (None, name):
            scanned(arguments, options.cache)
            cost = best([scanned(arguments, options.cache) for _ in range(options.runs)])
            rows.append([title, f"{cost.wall:.2f} s", f"{cost.cpu:.2f} s", f"{cost.peak / 1e6:.0f} MB"])
    print(table(["", "wall", "CPU", "peak memory"], rows))


if __name__ == "__main__":
    main()

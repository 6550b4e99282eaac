"""How the cost of a corpus grows: signatures of up to 100,000 made-up wheels through the join, and real runs of a lock.

    python benchmarks/corpus_growth.py join docs/corpora-join.svg
    python benchmarks/corpus_growth.py run LOCK CACHE RESULTS 25,50,100,150 WORKERS

`join` makes signatures whose things are shared as those of real packages are (host libraries by nearly all, some of
which bind them differently; unique names and file names by a few; most by nobody), and measures for each size the
processor time and the peak memory of `corpus.join.candidates` in a process of its own. It prints the fitted exponent of
time in rows and draws the plot. `run` surveys and plays the first packages of a lock and prints what each stage cost.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abiclash.corpus import lock as locks
from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.join import ROWS_PER_PARTITION, connect, find_pairs
from abiclash.corpus.measures import Meter
from abiclash.corpus.pipeline import Pipeline
from abiclash.corpus.signature import Kind
from abiclash.facts.parquet import to_parquet
from abiclash.progress import Silent

if TYPE_CHECKING:
    from abiclash.progress import Unit

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
ROWS = {Kind.NAME: 12, Kind.OBJECT: 10, Kind.UNIQUE: 30, Kind.PROJECT: 3, Kind.TOP: 3, Kind.ONCE: 4, Kind.HAS: 3}
WIDE = {Kind.WANTS: 60, Kind.REFERS: 60, Kind.READS: 2}
"""Rows per wheel; real ones have some thousand of the wide kinds, of which the join keeps those that meet something."""

HOST_LIBRARIES, CAPTURING = 8, 0.01
FEW = 6
"""How many wheels share a thing on average, apart from what the host brings."""
_BLOCK = 10_000


def make(wheels: int, folder: Path) -> int:
    """Write the signatures of so many wheels; return the number of rows."""
    total = 0
    for start in range(0, wheels, _BLOCK):
        count = min(_BLOCK, wheels - start)
        chance = np.random.default_rng(start)
        parts = []
        for kind, each in {**ROWS, **WIDE}.items():
            package = np.repeat(np.arange(start, start + count), each)
            about = chance.integers(1, max(wheels * each // FEW, 2), len(package)) + (int(kind) << 40)
            choice = chance.integers(1, 4, len(package))
            if kind in (Kind.NAME, Kind.OBJECT):
                host = chance.random(len(package)) < 0.5
                about[host] = chance.integers(1, HOST_LIBRARIES, int(host.sum()))
                own = chance.random(len(package)) < CAPTURING
                choice[host] = np.where(own & (kind is Kind.OBJECT), 1000 + package % 20, 1)[host]
            if kind in WIDE or kind is Kind.HAS:
                choice[:] = 0
            parts.append(np.stack([package, np.full(len(package), int(kind)), about, choice], axis=1))
        parts.append(_loud(chance, start, count, wheels))
        table = np.concatenate(parts)
        columns = {
            "package": table[:, 0].astype(np.int32),
            "kind": table[:, 1].astype(np.uint8),
            "about": table[:, 2].astype(np.uint64),
            "choice": table[:, 3].astype(np.uint64),
        }
        (folder / f"rows-{start:09}.parquet").write_bytes(to_parquet(columns))
        total += len(table)
    return total


def _loud(chance: np.random.Generator, start: int, count: int, wheels: int) -> np.ndarray:
    """Return rows of the few wheels that put symbols into the global scope, which others refer to."""
    package = np.repeat(chance.integers(start, start + count, max(count // 500, 1)), 50)
    about = chance.integers(1, wheels, len(package)) + (int(Kind.REFERS) << 40)
    return np.stack([package, np.full(len(package), int(Kind.PUTS)), about, np.zeros_like(about)], axis=1)


def measure(folder: str, rows: int) -> dict[str, float]:
    """Join what lies in a folder; run in a process of its own."""
    connection = connect("1GB", spill=Path(folder, "spill"))
    begin, wall = time.process_time(), time.monotonic()
    source = f"SELECT * FROM read_parquet('{folder}/rows-*.parquet')"
    crowded = find_pairs(connection, source, 1 << 40, 1 + rows // ROWS_PER_PARTITION)
    pairs = connection.execute("SELECT count(*) FROM candidates").fetchone()[0]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": rows,
        "pairs": pairs,
        "crowded": crowded,
        "cpu": time.process_time() - begin,
        "wall": time.monotonic() - wall,
        "peak": peak,
    }


def join_growth(target: Path) -> None:
    """Measure all sizes, print a table and the exponent, draw the plot."""
    points = []
    for wheels in SIZES:
        with tempfile.TemporaryDirectory(prefix="abiclash-growth-") as folder:
            rows = make(wheels, Path(folder))
            command = [sys.executable, __file__, "measure", folder, str(rows)]
            answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        points.append((wheels, answer))
        print(
            f"| {wheels:,} | {answer['rows']:,} | {answer['pairs']:,} | {answer['crowded']} | {answer['cpu']:.2f} |"
            f" {answer['peak'] / 1e6:.0f} |",
            flush=True,
        )
    x = np.log([point["rows"] for _, point in points])
    y = np.log([point["cpu"] for _, point in points])
    exponent = float(np.polyfit(x, y, 1)[0])
    print(f"exponent of CPU time in rows: {exponent:.2f}")
    target.write_text(plot([(point["rows"], point["cpu"]) for _, point in points], exponent))


def plot(points: list[tuple[float, float]], exponent: float) -> str:
    """Return both axes logarithmic, with the fitted exponent."""
    width, height, left, bottom = 640, 360, 70, 50

    def axis(values: list[float]) -> tuple[int, int]:
        return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    xs, ys = axis([x for x, _ in points]), axis([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - xs[0]) / (xs[1] - xs[0])
        up = (math.log10(y) - ys[0]) / (ys[1] - ys[0])
        return left + across * (width - left - 20), height - bottom - up * (height - bottom - 20)

    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
    parts = [f'{head} font-size="12"><rect width="100%" height="100%" fill="white"/>']
    for power in range(xs[0], xs[1] + 1):
        at, _ = place(10.0**power, 10.0 ** ys[0])
        parts.append(f'<path d="M{at:.1f} 20V{height - bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - bottom + 18}" text-anchor="middle">1e{power}</text>')
    for power in range(ys[0], ys[1] + 1):
        _, at = place(10.0 ** xs[0], 10.0**power)
        parts.append(f'<path d="M{left} {at:.1f}H{width - 20}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#27a" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#27a"/>' for x, y in (place(*point) for point in points)]
    parts.append(f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">signature rows</text>')
    turned = f'x="16" y="{height / 2}" transform="rotate(-90 16 {height / 2})"'
    parts.append(f'<text {turned} text-anchor="middle">join, CPU seconds</text>')
    parts.append(f'<text x="{left + 12}" y="36">fitted exponent {exponent:.2f}</text></svg>\n')
    return "".join(parts)


def run_growth(lock_file: Path, cache: Path, results: str, sizes: list[int], workers: int) -> None:
    """Scan the first packages of a lock, each size going on from the one before; print what all of it cost so far.

    The join is done anew for each size: its row is that of this size alone, and so is that of the findings.
    """
    whole, meter, executor = locks.read(lock_file), Meter(), LocalExecutor(workers)
    for size in sizes:
        for stage in ("join", "findings"):
            meter.costs.pop(stage, None)
        pipeline = Pipeline(whole.limited(size), cache, results, executor, progress=Steps(), meter=meter)
        snapshot = pipeline.run()
        print(f"{size} packages, {snapshot.folder}: {json.dumps(snapshot.run['totals'])}")
        for cost in meter.costs.values():
            print(
                f"  {cost.stage:10} {cost.tasks:6} {cost.wall:8.1f} s wall {cost.cpu:8.1f} s CPU"
                f" {cost.peak / 1e6:6.0f} MB",
                flush=True,
            )
    executor.close()


class Steps(Silent):
    """Says in a log how far a stage is."""

    def __init__(self, title: str = "", total: int = 0) -> None:
        self._title, self._total, self._done, self._told = title, total, 0, time.monotonic()

    def task(self, title: str, total: int | None, unit: Unit = "items") -> Steps:  # noqa: ARG002 - a Progress
        return Steps(title, total or 0)

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        if time.monotonic() - self._told > 60 or self._done == self._total:
            self._told = time.monotonic()
            print(f"  {self._title}: {self._done} of {self._total}", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "measure":
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    elif sys.argv[1] == "join":
        join_growth(Path(sys.argv[2]))
    else:
        counts = [int(part) for part in sys.argv[5].split(",")]
        run_growth(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], counts, int(sys.argv[6]))

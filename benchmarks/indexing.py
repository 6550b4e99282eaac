"""Indexing (wheel file to stored facts) against its floor: inflating the same ELF members and dropping them.

    python benchmarks/indexing.py [--runs N] [--folder DIR] [WHEEL...]

Each run is a fresh process, floor and indexing in turns; the least of each figure counts. Targets: CPU at most 1.6
times the floor's, wall on 2 processors at most 0.85 of the single-threaded floor, peak memory at most the largest kept
ranges and 500 MB.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from measured import Cost, best, cost_of, in_child, report, table
from wheels import TEN, fetched

from abiclash.facts.content_hash import content_hash
from abiclash.facts.index import index_wheels
from abiclash.facts.store import Store
from abiclash.facts.wheel import Wheel

_WORKS = {
    "floor": "floor: inflate and drop, 1 thread",
    "1": "index, 1 thread",
    "2": "index, 2 threads",
    "2 verified": "index, 2 threads, hashes known from the download",
    "load": "load stored facts",
}


def floor(paths: list[Path]) -> Cost:
    """Inflate every ELF member as a stream with its CRC, in one thread, and keep nothing."""
    wheels = [Wheel(path) for path in paths]

    def work() -> None:
        for wheel in wheels:
            for member in wheel.objects:
                wheel.archive.inflate(member, lambda _head, _size: [])

    return cost_of(work)


def index(paths: list[Path], workers: int, known: Path | None = None) -> Cost:
    """Index into an empty store; known: a store that remembers the files' hashes, as a download cache does."""
    hashes = {path: content_hash(path, Store(known)) for path in paths} if known else {}
    with tempfile.TemporaryDirectory() as root:
        return cost_of(lambda: index_wheels(paths, Store(Path(root)), workers, hashes=hashes))


def load(paths: list[Path], root: Path) -> Cost:
    """Read the facts of known wheels from a store."""
    store = Store(root)
    hashes = [content_hash(path, store) for path in paths]
    return cost_of(lambda: [store.get(sha256) for sha256 in hashes])


def largest_kept(paths: list[Path]) -> int:
    """Return the most bytes that are kept of one member."""
    wheels = [Wheel(path) for path in paths]
    return max(wheel.kept(member) for wheel in wheels for member in wheel.objects)


def child(work: str, paths: list[Path], root: Path) -> Cost:
    """Do one of the pieces of work."""
    if work == "floor":
        return floor(paths)
    if work == "fill":
        return cost_of(lambda: index_wheels(paths, Store(root)))
    if work == "load":
        return load(paths, root)
    return index(paths, int(work[0]), root if work.endswith("verified") else None)


def compare(paths: list[Path], runs: int) -> str:
    """Return the table."""
    root = Path(tempfile.mkdtemp())
    arguments = [str(root), *map(str, paths)]
    in_child(__file__, "--child", "fill", *arguments)  # not here: a child inherits its parent's peak memory
    costs: dict[str, list[Cost]] = {work: [] for work in _WORKS}
    for _ in range(runs):
        for work, found in costs.items():
            found.append(in_child(__file__, "--child", work, *arguments))
    shutil.rmtree(root)
    base = best(costs["floor"])
    rows = [
        [
            title,
            f"{(cost := best(costs[work])).cpu:.2f} s",
            f"{cost.wall:.2f} s",
            f"{cost.cpu / base.cpu:.2f}",
            f"{cost.wall / base.wall:.2f}",
            f"{cost.peak / 1e6:.0f} MB",
        ]
        for work, title in _WORKS.items()
    ]
    note = f"\nLargest kept ranges of one member: {largest_kept(paths) / 1e6:.0f} MB."
    return table(["", "CPU", "wall", "CPU / floor", "wall / floor", "peak memory"], rows) + note


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where wheels are looked for, and downloaded to")
    parser.add_argument("--child", nargs=2, metavar=("WORK", "STORE"), help=argparse.SUPPRESS)
    parser.add_argument("wheels", nargs="*", type=Path)
    options = parser.parse_args()
    if options.child:
        report(child(options.child[0], options.wheels, Path(options.child[1])))
    else:
        print(compare(options.wheels or fetched(TEN, options.folder), options.runs))


if __name__ == "__main__":
    main()

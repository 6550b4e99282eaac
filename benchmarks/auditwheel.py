"""Facts of a wheel from nothing, against `auditwheel show` on the same wheel.

    python benchmarks/auditwheel.py --auditwheel PATH [--runs N] [--folder DIR] [WHEEL...]

By default scipy and torch. Both are whole processes, start-up included: here one that indexes into an empty store and
reads the facts back. Target: at least 20 times faster.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measured import table
from wheels import fetched

_INDEX = """
import sys
from pathlib import Path
from abiclash.facts.index import index_wheels
from abiclash.facts.store import Store
store = Store(Path(sys.argv[1]))
(facts,) = index_wheels([Path(sys.argv[2])], store)
print(len(store.get(facts.sha256).objects))
"""


def seconds(command: list[str]) -> float:
    """Return the wall time of a command."""
    before = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - before


def index(wheel: Path) -> float:
    """Return the wall time of indexing into an empty store."""
    with tempfile.TemporaryDirectory() as root:
        return seconds([sys.executable, "-c", _INDEX, root, str(wheel)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--auditwheel", required=True, help="the command, installed in an environment of its own")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where wheels are looked for, and downloaded to")
    parser.add_argument("wheels", nargs="*", type=Path)
    options = parser.parse_args()
    rows = []
    for wheel in options.wheels or fetched(("scipy", "torch==2.13.0"), options.folder):
        ours, theirs = [], []
        for _ in range(options.runs):
            ours.append(index(wheel))
            theirs.append(seconds([options.auditwheel, "show", str(wheel)]))
        rows.append(
            [wheel.name.split("-")[0], f"{min(theirs):.2f} s", f"{min(ours):.2f} s", f"{min(theirs) / min(ours):.1f}"]
        )
    print(table(["", "auditwheel show", "index and facts", "times faster"], rows))


if __name__ == "__main__":
    main()

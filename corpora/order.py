"""Put the packages of a manifest into the order of a download ranking, with each one's rank beside it.

    python corpora/order.py corpora/popular-native.toml top-pypi-packages-2026-04-01.csv

The ranking is a CSV file with a column `project`, the most downloaded first, as hugovk/top-pypi-packages publishes it.
It says nothing of native code, and no index is asked: people choose which packages are in a manifest, and
`abiclash corpus lock` tells of each whether it brings ELF objects (`abiclash corpus show NAME`).
"""

from __future__ import annotations

import csv
import re
import sys
import tomllib
from pathlib import Path

_LIST = re.compile(r"^packages = \[\n.*?^\]\n", re.DOTALL | re.MULTILINE)


def ranks(ranking: Path) -> dict[str, int]:
    """Return project -> rank, 1 for the first."""
    with ranking.open(encoding="utf-8", newline="") as file:
        return {row["project"]: place for place, row in enumerate(csv.DictReader(file), start=1)}


def ordered(manifest: str, rank: dict[str, int]) -> str:
    """Return the manifest with its list of packages sorted by rank; those without a rank last, by name."""
    packages = dict.fromkeys(tomllib.loads(manifest)["packages"])
    known = sorted((rank.get(name, sys.maxsize), name) for name in packages)
    lines = [f'  "{name}",' + (f" # {place}" if place < sys.maxsize else "") for place, name in known]
    return _LIST.sub(lambda _: "\n".join(["packages = [", *lines, "]", ""]), manifest, count=1)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(ordered(path.read_text("utf-8"), ranks(Path(sys.argv[2]))), "utf-8")

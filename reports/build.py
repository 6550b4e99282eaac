"""Make a report anew: python reports/build.py NAME...   Runs the packages' own code; see reports.toml for the names."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from abiclash.cli.app import run

HERE = Path(__file__).parent


def main(names: list[str]) -> int:
    known = tomllib.loads((HERE / "reports.toml").read_text(encoding="utf-8"))
    if not names or not set(names) <= known.keys():
        print(__doc__, "known:", ", ".join(known))
        return 2
    for name in names:
        report = known[name]
        arguments = [*report["targets"], "--python", report["python"], *report["arguments"]]
        if run(["investigate", *arguments, "-o", str(HERE / name)]) not in (0, 1, 3):
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

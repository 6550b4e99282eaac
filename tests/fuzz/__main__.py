"""python -m tests.fuzz TARGET [libFuzzer options and folders]: fuzz one target with atheris, guided by coverage.

Needs the dependency group `fuzz`. benchmarks/fuzz.py runs all targets, and keeps what they find.
"""

from __future__ import annotations

import sys

import atheris

from tests.fuzz.target import NAMES, load


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name not in NAMES:
        sys.exit(f"{__doc__}\ntargets: {' '.join(NAMES)}")
    with atheris.instrument_imports(include=["abiclash"], exclude=["abiclash.rules"]):  # found by pkgutil
        target = load(name)
    options = [f"-max_len={target.longest}", "-timeout=20", "-rss_limit_mb=3000"]
    again = (
        f"{sys.executable} -m tests.fuzz {name}"  # for the shell: libFuzzer merges in children, by its first argument
    )
    atheris.Setup([again, *options, *sys.argv[1:]], target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""python -m tests.fuzz.plain TARGET RUNS SECONDS SEED FOLDER: run changed inputs of a folder, without guidance.

Without the counters that guidance needs an input runs several times faster. Prints how many ran; one that raises, or
takes 20 s or 3 GB, is written beside the folder, as libFuzzer does it.
"""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.target import load, mutations

SECONDS, MEMORY = 20, 3_000_000_000


def main(name: str, runs: int, seconds: float, seed: int, folder: Path) -> None:
    target = load(name)
    inputs = [path.read_bytes() for path in sorted(folder.iterdir())]
    signal.signal(signal.SIGALRM, _too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    end, done = time.monotonic() + seconds, 0
    quiet = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a panic of the Parquet library, survived, still says so
    for raw in mutations(inputs, runs, seed, target.longest):
        if time.monotonic() > end:
            break
        signal.alarm(SECONDS)
        try:
            target.run(raw)
        except BaseException:  # noqa: BLE001 - whatever it is, it is a finding
            os.dup2(quiet, 2)
            traceback.print_exc()
            path = folder.with_name(f"{folder.name}-crash-{hashlib.sha256(raw).hexdigest()[:16]}")
            path.write_bytes(raw)
            sys.stderr.write(f"Test unit written to {path}\n")
            break
        finally:
            signal.alarm(0)
        done += 1
    os.dup2(quiet, 2)
    sys.stderr.write(f"number_of_executed_units: {done}\n")


def _too_long(signal: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


if __name__ == "__main__":
    _name, _runs, _seconds, _seed, _folder = sys.argv[1:]
    main(_name, int(_runs), float(_seconds), int(_seed), Path(_folder))

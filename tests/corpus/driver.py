"""Scan a lock in a process of its own, so that a test can kill it: LOCK FOLDER WORKERS [LARGEST_FILE]."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from abiclash.corpus import lock as locks
from abiclash.corpus.executor import LocalExecutor
from abiclash.corpus.pipeline import Pipeline
from abiclash.errors import AbiclashError


def main() -> None:
    lock, folder, workers, largest = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    executor = LocalExecutor(workers)
    try:
        Pipeline(locks.read(lock), folder / "cache", str(folder / "results"), executor).run()
    except AbiclashError as error:
        sys.exit(f"error: {error}")
    finally:
        executor.close()


if __name__ == "__main__":
    main()

"""Turn a missing compiler or index into a skip, or into a failure where it was promised (ABICLASH_REQUIRE)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str, reason: str) -> NoReturn:
    """End the running test for want of `what` ("compiler", "index" or "browser").

    ABICLASH_REQUIRE, a comma-separated list, names what must be there: then the test fails, so that a machine
    which lost its compiler cannot pass by skipping.
    """
    required = os.environ.get("ABICLASH_REQUIRE", "").split(",")
    if what in required:
        pytest.fail(f"ABICLASH_REQUIRE names {what}: {reason}", pytrace=False)
    pytest.skip(reason)


def cache_folder(name: str) -> Path:
    """Return a folder that outlives the test run: $ABICLASH_TEST_CACHE/name, by default in ~/.cache."""
    root = os.environ.get("ABICLASH_TEST_CACHE")
    folder = (Path(root) if root else Path.home() / ".cache" / "abiclash-tests") / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.parquet import to_parquet
from abiclash.facts.store import Store
from abiclash.facts.tried import readable
from abiclash.sources.published import open_published
from tests.fuzz.fuzz_store import SHA, _written
from tests.fuzz.target import scratch

if TYPE_CHECKING:
    from pathlib import Path

GOOD = to_parquet({"key": np.arange(100, dtype=np.uint64)})
ABORTS = (73, b"\xfd")
"""A byte more in a page's header of references.parquet: arrow-rs 59 panics where nothing can unwind."""


def test_what_can_be_read() -> None:
    assert readable([GOOD, GOOD])
    assert readable([])
    assert not readable([GOOD, b"PAR1"])


def test_within_a_limit_that_was_set_before() -> None:
    """An upload check bounds its memory: published facts were refused there, and everything was downloaded."""
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30));"
        "from abiclash.facts.tried import readable; content = sys.stdin.buffer.read();"
        "sys.exit(not (readable([content]) and not readable([b'PAR1']) and readable([content, content])))"
    )
    subprocess.run([sys.executable, "-c", program], input=GOOD, check=True)


def test_files_of_others_that_abort_the_library_cost_only_themselves(tmp_path: Path) -> None:
    published = tmp_path / "published"
    _written()
    shutil.copytree(scratch() / "store", published)
    whole = Store(tmp_path / "whole", upstream=open_published(str(published)))
    assert whole.get(SHA) is not None
    torn = next(published.rglob("references.parquet"))
    at, byte = ABORTS
    torn.write_bytes(torn.read_bytes()[:at] + byte + torn.read_bytes()[at:])
    manifest = torn.with_name("manifest.json")
    content = torn.read_bytes()
    known = json.loads(manifest.read_text()) | {torn.name: [len(content), zlib.crc32(content)]}
    manifest.write_text(json.dumps(known))
    assert not readable([content])
    store = Store(tmp_path / "mine", upstream=open_published(str(published)))
    assert store.get(SHA) is None
    manifest.write_text(json.dumps(known | {"../evil\0": [0, 0]}))
    assert store.get(SHA) is None

"""Crash texts, as far as the report about them."""

from __future__ import annotations

from abiclash.reports.paint import Paint
from abiclash.reports.triage import as_text
from abiclash.triage.causes import causes
from abiclash.triage.crash import read
from tests.fuzz.target import Target


def run(raw: bytes) -> None:
    crash = read(raw.decode("utf-8", "replace"))
    text = as_text(crash, causes(crash), Paint(width=100, colour=False), scanned=False)
    assert all(line.isprintable() for line in text.split("\n")), text


TARGET = Target("triage", run)

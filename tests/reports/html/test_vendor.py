"""What is not ours is what its note says, and comes with its licence."""

from __future__ import annotations

import hashlib
from importlib import resources

VENDOR = resources.files("abiclash.reports.html").joinpath("vendor")


def test_library_is_the_one_that_is_noted() -> None:
    digest = hashlib.sha256(VENDOR.joinpath("cytoscape.min.js").read_bytes()).hexdigest()
    assert f"- sha256: {digest}\n" in VENDOR.joinpath("README.md").read_text("utf-8")


def test_licence_is_there() -> None:
    assert "Permission is hereby granted" in VENDOR.joinpath("cytoscape.LICENSE").read_text("utf-8")

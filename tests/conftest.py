"""Fixtures that all rooms share; their classes live in tests/support, so that tests can name the types.

builder         `builder.library("liba.so", "int a;")`: small libraries from text, into the test's tmp_path
wheelhouse      `wheelhouse("numpy==2.0.0", python="3.11")`: a real wheel (mark such tests `index`)
make_wheel      no fixture: `from tests.support import make_wheel`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import Builder, Wheelhouse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """Return a compiler that builds into `tmp_path`; mark its tests `compiler`."""
    return Builder.at(tmp_path)


@pytest.fixture(scope="session")
def wheelhouse() -> Wheelhouse:
    """Return the source of real wheels; mark its tests `index`."""
    return Wheelhouse.shared()

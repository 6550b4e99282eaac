"""The small corpus, built once for each test module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus.small import Index, build, serving
from tests.support import Builder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def small_wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the wheels of the small corpus; mark its tests `compiler`."""
    folder = tmp_path_factory.mktemp("small")
    return build(Builder.at(folder), folder / "wheels")


@pytest.fixture
def index(small_wheels: list[Path]) -> Iterator[Index]:
    """Serve the small corpus, well behaved until a test changes its faults."""
    with serving(small_wheels) as found:
        yield found

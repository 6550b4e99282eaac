"""What the rules' tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rules.harness import Site

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder


@pytest.fixture
def site(builder: Builder, tmp_path: Path) -> Site:
    """Return an empty site-packages to build libraries into; mark its tests `compiler`."""
    return Site(builder, tmp_path)

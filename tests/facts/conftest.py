"""Fixtures of the facts' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.facts.elf_files import ElfFixtures

if TYPE_CHECKING:
    from tests.support import Builder


@pytest.fixture
def elf_fixtures(builder: Builder) -> ElfFixtures:
    """Return the builder of ELF fixtures; mark tests `compiler`."""
    return ElfFixtures(builder)

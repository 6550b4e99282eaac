"""Files that are read out of wheels while an import is followed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.facts.limits import Limits
from abiclash.facts.model import WheelFile
from abiclash.facts.store import Store
from abiclash.setting import set_up
from abiclash.sources.fetch import Fetcher
from abiclash.sources.profiles import load_profile
from abiclash.sources.resolution import Package
from abiclash.sources.wheelset import WheelSet
from tests.corpus.test_environment import wheel as bare

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("size", "words"), [(Limits().text + 1, "more than the limit"), (10, "is not there")])
def test_a_wheel_is_not_fetched_for_a_file_that_is_too_large_to_be_read(size: int, words: str, tmp_path: Path) -> None:
    wheel = replace(bare("big", "1"), files=(WheelFile("big.so", size, ""),))
    package = Package("big", "1", "big.whl", wheel.sha256, None, tmp_path / "nowhere.whl", requested=True)
    wheels = WheelSet((wheel,), frozenset({"big"}), {wheel.sha256: package}, (), None, ())
    host = load_profile("debian-12", "3.11", machine="x86_64")
    setting = set_up(wheels, ["big"], host, Store(tmp_path), Fetcher(tmp_path))
    with pytest.raises(SourceError, match=words):
        setting.imports.trees[0].read(f"{host.interpreter.site_packages}/big.so")

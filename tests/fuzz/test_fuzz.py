"""Every fuzz target on its kept inputs and on a fixed choice of mutations; the long runs are benchmarks/fuzz.py's."""

from __future__ import annotations

import pytest

from tests.fuzz.target import NAMES, kept, load, mutations

FEW = {"elf": 300, "demangle": 20}
MANY = 20_000


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs_and_some_mutations(name: str) -> None:
    target = load(name)
    inputs = kept(name)
    for raw in inputs:
        target.run(raw)
    for raw in mutations(inputs, FEW.get(name, 150), 1, target.longest):
        target.run(raw)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "demangle"])
def test_many_mutations(name: str) -> None:
    target = load(name)
    for raw in mutations(kept(name), MANY, 2, target.longest):
        target.run(raw)

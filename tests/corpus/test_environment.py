"""One environment for packages that pin different versions of a third."""

from __future__ import annotations

from abiclash.corpus.environment import environment
from abiclash.corpus.lock import Lock, Root
from abiclash.facts.model import WheelFacts
from abiclash.sources.resolution import Package
from tests.corpus.small import VARIANT


def wheel(name: str, version: str, *requires: str) -> WheelFacts:
    return WheelFacts(name, version, f"{name}.whl", f"{name}-{version}", (), False, requires, None, (), (), (), ())  # noqa: FBT003 - a record


def chosen(*wheels: WheelFacts, roots: dict[str, list[str]]) -> tuple[dict[str, str], list[str]]:
    facts = {one.sha256: one for one in wheels}
    files = {key: Package(f.name, f.version, f.filename, key, "u", None, requested=False) for key, f in facts.items()}
    entries = [Root(name, name, tuple(found)) for name, found in roots.items()]
    lock = Lock("c", "2026-01-01", VARIANT, "all", tuple(entries), files)
    found = environment(lock, entries, facts.__getitem__, {"python_version": "3.11"})
    assert found.requested == roots.keys()
    return {one.name: one.version for one in found.wheels}, [item.what for item in found.not_analysed]


def test_the_newest_version_that_suits_all_is_taken() -> None:
    wheels = [wheel("a", "1", "n<2"), wheel("b", "1", "n"), wheel("n", "1.26"), wheel("n", "2.4")]
    versions, problems = chosen(*wheels, roots={"a": ["a-1", "n-1.26"], "b": ["b-1", "n-2.4"]})
    assert versions == {"a": "1", "b": "1", "n": "1.26"}
    assert problems == []


def test_a_package_of_the_corpus_stays_itself_and_it_is_told() -> None:
    wheels = [wheel("a", "1", "n<2"), wheel("n", "1.26"), wheel("n", "2.4")]
    versions, problems = chosen(*wheels, roots={"a": ["a-1", "n-1.26"], "n": ["n-2.4"]})
    assert versions == {"a": "1", "n": "2.4"}
    assert problems == ["n"]


def test_markers_and_broken_requirements_do_not_count() -> None:
    wheels = [
        wheel("a", "1", "n<2; python_version < '3'", "!!"),
        wheel("b", "1"),
        wheel("n", "1.26"),
        wheel("n", "2.4"),
    ]
    versions, problems = chosen(*wheels, roots={"a": ["a-1", "n-1.26"], "b": ["b-1", "n-2.4"]})
    assert versions["n"] == "2.4"
    assert problems == []

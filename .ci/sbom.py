"""Print the CycloneDX bill of materials of an installed distribution: it and all that it needs, as installed here.

usage: python .ci/sbom.py abiclash > abiclash.cdx.json     (in an environment where the released wheel is installed)
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import TYPE_CHECKING

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    root = distribution(sys.argv[1])
    found: dict[str, Component] = {}
    needed: dict[str, list[str]] = {}
    todo = [root]
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        if name in found:
            continue
        found[name] = _component(one, name)
        needs = list(_needs(one))
        needed[name] = [canonicalize_name(need.name) for need in needs]
        todo += needs
    bom = Bom(serial_number=None)
    bom.metadata.timestamp = None  # type: ignore[assignment] # the same bytes for the same environment
    bom.metadata.component = found[canonicalize_name(root.name)]
    bom.components.update(component for component in found.values() if component is not bom.metadata.component)
    for name, needs_of in needed.items():
        others = [Dependency(found[need].bom_ref) for need in needs_of]
        bom.dependencies.add(Dependency(found[name].bom_ref, others))
    bom.serial_number = None  # type: ignore[assignment]
    sys.stdout.write(JsonV1Dot6(bom).output_as_string(indent=1) + "\n")


def _component(one: Distribution, name: str) -> Component:
    url = PackageURL("pypi", name=name, version=one.version)
    return Component(name=name, version=one.version, type=ComponentType.LIBRARY, purl=url, bom_ref=str(url))


def _needs(one: Distribution) -> Iterator[Distribution]:
    """Yield what a distribution needs here, without extras."""
    for text in one.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            try:
                yield distribution(requirement.name)
            except PackageNotFoundError:
                continue


if __name__ == "__main__":
    main()

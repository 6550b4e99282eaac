"""Python source for the packages of a `Site`, followed as a scan follows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.facts.model import WheelFile
from abiclash.imports.files import DirectoryFiles
from abiclash.imports.plan import plans
from abiclash.imports.registrations import contested
from abiclash.imports.world import Python, World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.rules.case import Case
    from tests.rules.harness import Site


def with_python(site: Site, case: Case, sources: Mapping[str, str]) -> Case:
    """Return the case with plans of what its packages' modules do. sources: path below site-packages -> text."""
    root = site.folder / "site-packages"
    for path, text in sources.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    tree = DirectoryFiles(str(root), {f"{root}/{path}": path.partition("/")[0] for path in sources})
    world = World(Python((3, 11, 7), (".so",), frozenset({"sys", "os"})), (tree,), [str(root)])
    orders = {run.order for run in case.runs} | {(name,) for name in case.requested}
    found = {order: plans([[name] for name in order], world)[-1] for order in sorted(orders)}
    paths = {name: [path for path in sources if path.startswith(f"{name}/")] for name in case.packages}
    packages = {
        name: replace(
            package,
            wheel=replace(package.wheel, files=tuple(WheelFile(path, None, "") for path in paths[name])),
        )
        for name, package in case.packages.items()
    }
    return replace(case, packages=packages, plans=found, descriptors=contested(world, paths))


def plain(site: Site, *packages: str) -> Case:
    """Return the case of packages that load no libraries."""
    for name in packages:
        site.opened.setdefault(name, [])
    return site.case()

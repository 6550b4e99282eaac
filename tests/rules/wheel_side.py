"""Real wheels for the packages of a `Site`, read as a scan reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from abiclash.facts.index import index_wheels
from abiclash.facts.model import WheelFacts
from abiclash.facts.store import Store
from tests.support import make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from abiclash.rules.case import Case
    from tests.rules.harness import Site

TAG = "cp311-cp311-manylinux_2_17_x86_64"


def in_wheels(
    site: Site,
    files: Mapping[str, str] | None = None,
    *,
    tag: str = TAG,
    records: Mapping[str, str] | None = None,
) -> Case:
    """Return the site's case with each package's libraries, and more files of it, in a wheel.

    files: `package:installed path` -> text. records: package -> RECORD, to make it lie.
    """
    for key in files or {}:
        site.opened.setdefault(key.partition(":")[0], [])
    case = site.case()
    wheels = []
    for name in case.packages:
        members = {path: site.paths[path] for path in site.paths if path.startswith(f"{name}/")}
        more = {key.partition(":")[2]: text for key, text in (files or {}).items() if key.startswith(f"{name}:")}
        record = (records or {}).get(name)
        wheels.append(make_wheel(site.folder / "wheels", {**members, **more}, name=name, tag=tag, record=record))
    read = index_wheels(wheels, Store(site.folder / "store"), 1)
    facts = {wheel.name: wheel for wheel in read if isinstance(wheel, WheelFacts)}
    packages = {name: replace(package, wheel=facts[name]) for name, package in case.packages.items()}
    return replace(case, packages=packages)

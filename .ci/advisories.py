"""Look our pinned requirements up in a clone of github.com/pypa/advisory-database, where pip-audit cannot ask PyPI.

usage: python .ci/advisories.py CLONE [REQUIREMENTS]     ends with 1 where an advisory speaks of a pinned version
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def main() -> None:
    clone, requirements = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else ".ci/requirements.txt")
    pins = {(canonicalize_name(name), version) for name, version in PIN.findall(requirements.read_text("utf-8"))}
    looked, told = 0, []
    for name, version in sorted(pins):
        for advisory in _advisories(clone, name):
            looked += 1
            if not advisory.get("withdrawn") and _speaks_of(advisory, name, version):
                told.append(f"{name} {version}: {advisory['id']}")
    of = subprocess.check_output(["git", "-C", clone, "log", "-1", "--format=%cs"], text=True).strip()
    head = f"{len(pins)} pins, {looked} advisories about them (of {of} and before), {len(told)} that apply"
    sys.stdout.write("\n".join([head, *told, ""]))
    sys.exit(bool(told))


def _advisories(clone: str, name: str) -> list[dict[str, Any]]:
    """Return what there is about a package; the clone may be without a work tree."""
    listed = subprocess.check_output(
        ["git", "-C", clone, "ls-tree", "--name-only", "HEAD", f"vulns/{name}/"], text=True
    )
    show = ["git", "-C", clone, "show"]
    return [yaml.safe_load(subprocess.check_output([*show, f"HEAD:{path}"])) for path in listed.splitlines()]


def _speaks_of(advisory: dict[str, Any], name: str, version: str) -> bool:
    own = [one for one in advisory.get("affected", ()) if canonicalize_name(one["package"]["name"]) == name]
    ranges = [each["events"] for one in own for each in one.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
    return any(version in one.get("versions", ()) for one in own) or any(_within(each, version) for each in ranges)


def _within(events: list[dict[str, str]], version: str) -> bool:
    """Tell whether a version lies in a range of the Open Source Vulnerability format."""
    inside = False
    for event in sorted(events, key=lambda one: Version(next(iter(one.values())))):
        ((kind, bound),) = event.items()
        reached = Version(version) >= Version(bound)
        if kind == "last_affected":
            inside = inside and Version(version) <= Version(bound)
        elif reached:
            inside = kind == "introduced"
    return inside


if __name__ == "__main__":
    main()

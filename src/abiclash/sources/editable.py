"""Editable installations and .pth files: where Python finds modules outside of site-packages.

site.py (CPython Lib/site.py, addpackage): each line of a .pth file is a folder to add to sys.path, or code to run
when it begins with `import`. Folders are followed, as is the table that setuptools' import hook is made of; other
code is not executed.
"""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import NotAnalysed
from abiclash.readfile import read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from abiclash.facts.model import WheelFile

_HOOK = re.compile(r"import (__editable___\w+_finder)\b")
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}


def files(site: Path, owned: Sequence[WheelFile]) -> Iterator[tuple[str, Path]]:
    """Yield (path as if installed, real path) of what a distribution's .pth files and import hook add."""
    for path in _pth_files(site, [file.path for file in owned]):
        for line in _lines(path):
            if hook := _HOOK.match(line):
                for module, place in sorted((_mapping(site / f"{hook[1]}.py") or {}).items()):
                    yield from _module_files(module.replace(".", "/"), Path(place))
            elif not line.startswith(("import ", "import\t")):
                folder = site / line
                yield from ((str(inside.relative_to(folder)), inside) for inside in _walk(folder))


def problems(site: Path, name: str, owned: Sequence[WheelFile]) -> Iterator[NotAnalysed]:
    """Yield what of a distribution's .pth files cannot be followed without running it."""
    for path in _pth_files(site, [file.path for file in owned]):
        yield from _unfollowed(site, path, name)


def stray(site: Path, owned: Collection[str]) -> Iterator[NotAnalysed]:
    """Yield .pth files that no distribution owns and that add something."""
    for path in sorted(site.glob("*.pth")):
        if path.name in owned:
            continue
        for line in _lines(path):
            if not line.startswith(("import ", "import\t")) and (site / line).is_dir():
                yield NotAnalysed(
                    str(path), f"adds {line} to sys.path, and no installed package says what of it is used"
                )
        yield from _unfollowed(site, path, path.name)


def _unfollowed(site: Path, path: Path, name: str) -> Iterator[NotAnalysed]:
    for line in _lines(path):
        if not line.startswith(("import ", "import\t")):
            if not (site / line).is_dir():
                yield NotAnalysed(name, f"{path.name} names a folder that is not there: {line}")
            continue
        hook = _HOOK.match(line)
        if hook and _mapping(site / f"{hook[1]}.py") is not None:
            continue
        if "editable" in line or "editable" in path.name:
            yield NotAnalysed(name, f"editable installation by an import hook ({path.name}), which is not executed")


def _pth_files(site: Path, owned: Sequence[str]) -> list[Path]:
    return [site / path for path in owned if path.endswith(".pth") and "/" not in path]


def _lines(path: Path) -> list[str]:
    try:
        text = read_text(path, "utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _mapping(finder: Path) -> dict[str, str] | None:
    """Return `MAPPING` of setuptools' generated import hook: module -> folder or file."""
    try:
        tree = ast.parse(read_text(finder))
    except (OSError, ValueError, SyntaxError):
        return None
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
            try:
                value = ast.literal_eval(node.value) if node.value else None
            except ValueError:
                return None
            return value if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()) else None
    return None


def _module_files(module: str, place: Path) -> Iterator[tuple[str, Path]]:
    if place.is_dir():
        yield from ((f"{module}/{inside.relative_to(place)}", inside) for inside in _walk(place))
        return
    for path in (place, place.with_name(f"{place.name}.py"), *sorted(place.parent.glob(f"{place.name}.*.so"))):
        if path.is_file():
            yield str(Path(module).parent / path.name), path


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a source tree, without hidden folders and other environments in it."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED and not name.startswith(".") and not Path(here, name, "pyvenv.cfg").exists()
        )
        yield from (Path(here, name) for name in sorted(names) if not name.endswith(".pyc"))

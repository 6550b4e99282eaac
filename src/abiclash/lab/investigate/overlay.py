"""A copy of an environment made of hard links, so that a file can be changed without touching the original."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Overlay:
    """path: its folder. original: the environment's. Changes are undone by `restore`."""

    def __init__(self, original: Path, path: Path) -> None:
        self.original = original
        self.path = path
        self._changed: set[str] = set()

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    def inside(self, file: str) -> str | None:
        """Return a path relative to the overlay of a file in the overlay or in the original, None for others."""
        for root in (self.path, self.original):
            try:
                return str(Path(file).relative_to(root))
            except ValueError:
                continue
        return None

    def read(self, file: str) -> bytes:
        """The original's bytes. file: relative."""
        return (self.original / file).read_bytes()

    def write(self, file: str, data: bytes) -> None:
        """Give the overlay a file of its own. The original, which shares the inode of the old one, stays as it is."""
        target = self.path / file
        draft = target.with_name(target.name + ".draft")
        draft.write_bytes(data)
        draft.chmod(0o755)
        draft.replace(target)
        self._changed.add(file)
        self._forget(target)

    def restore(self) -> None:
        for file in sorted(self._changed):
            (self.path / file).unlink(missing_ok=True)
            self._forget(self.path / file)
            if (self.original / file).exists():
                _link(self.original / file, self.path / file)
        self._changed.clear()

    def _forget(self, file: Path) -> None:
        """Remove Python's compiled copies: two edits of equal size in one second look the same to it (PEP 552)."""
        if file.suffix == ".py":
            for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
                compiled.unlink(missing_ok=True)


@contextmanager
def overlay(environment: Path) -> Iterator[Overlay]:
    """Make an overlay beside the environment's folder (hard links do not cross file systems), and remove it in the end.

    Raises LabError where the environment cannot be copied. Python's own caches of compiled source are linked as well;
    a program that writes into files of its package in place would change the original: use a throw-away environment.
    """
    environment = environment.resolve()
    try:
        folder = Path(tempfile.mkdtemp(prefix=".abiclash-copy-", dir=environment.parent))
    except OSError as error:
        raise LabError(f"{environment.parent}: no copy can be made there ({error.strerror})") from error
    try:
        copy = folder / environment.name
        try:
            shutil.copytree(environment, copy, symlinks=True, copy_function=_link)
        except OSError as error:
            raise LabError(f"{environment}: it cannot be copied ({error}); check the free disk space") from error
        yield Overlay(environment, copy)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _link(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Link a file, or copy it where that is not possible; a symbolic link stays one."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)

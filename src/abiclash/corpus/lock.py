"""A corpus pinned to files: what each package comes to with its dependencies, by hash.

Every package is resolved by itself, as `pip install PACKAGE` would: one that caps a dependency does not push the others
back to old releases. Where two packages pin different versions of a third, `environment` chooses for the pair.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from abiclash.corpus.manifest import Variant
from abiclash.errors import AbiclashError, SourceError
from abiclash.parsing import read_json
from abiclash.progress import Silent
from abiclash.readfile import read_text
from abiclash.sources.resolution import Package

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from abiclash.corpus.manifest import Manifest
    from abiclash.progress import Progress
    from abiclash.sources.resolve import Options
    from abiclash.sources.target import Target

FORMAT = 1
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Root:
    """One package of the corpus. files: sha256 of its wheel, then those of its dependencies, sorted.

    problem: why it, or a part of it, cannot be had; '' where nothing is wrong.
    """

    name: str
    requirement: str
    files: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Lock:
    """A corpus pinned. created: ISO date of the resolution. files: by sha256."""

    corpus: str
    created: str
    variant: Variant
    orders: str
    roots: tuple[Root, ...]
    files: Mapping[str, Package]

    @property
    def digest(self) -> str:
        """Hash of everything but the addresses, which may change or hold credentials."""
        files = [(sha256, file.name, file.version, file.filename) for sha256, file in sorted(self.files.items())]
        parts = [FORMAT, self.corpus, self.created, asdict(self.variant), self.orders, list(map(asdict, self.roots))]
        return hashlib.sha256(json.dumps([*parts, files]).encode()).hexdigest()

    def limited(self, count: int) -> Lock:
        """Return the lock of the first packages only."""
        roots = self.roots[:count]
        files = {file: self.files[file] for root in roots for file in root.files if file in self.files}
        return replace(self, roots=roots, files=dict(sorted(files.items())))

    @property
    def usable(self) -> tuple[Root, ...]:
        """The packages that have a wheel."""
        return tuple(root for root in self.roots if root.files)


def make_lock(
    manifest: Manifest,
    variant: Variant,
    options: Options,
    *,
    constraints: Sequence[str] = (),
    created: str = "",
    progress: Progress | None = None,
) -> Lock:
    """Resolve each package of a corpus with its dependencies. What cannot be resolved is in its root's `problem`.

    constraints: requirements that limit versions wherever a package occurs, besides the corpus's own. created: ISO
    date; '' for today.
    """
    files: dict[str, Package] = {}
    limits = [*manifest.constraints, *constraints]
    solved = _solve_all(manifest, variant, options, limits, progress or Silent())
    for _, packages in solved:
        for package in packages:
            if package.sha256 is not None:
                files.setdefault(package.sha256, replace(package, requested=False))
    roots = tuple(root for root, _ in solved)
    today = created or dt.datetime.now(dt.UTC).date().isoformat()
    return Lock(manifest.name, today, variant, manifest.orders, roots, dict(sorted(files.items())))


def _solve_all(
    manifest: Manifest, variant: Variant, options: Options, constraints: Sequence[str], progress: Progress
) -> list[tuple[Root, list[Package]]]:
    with (
        tempfile.TemporaryDirectory(prefix="abiclash-") as folder,
        progress.task("resolving", len(manifest.packages)) as task,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        limits = Path(folder, "constraints") if constraints else None
        if limits is not None:
            limits.write_text("\n".join(constraints) + "\n", "utf-8")

        def solve(requirement: str) -> tuple[Root, list[Package]]:
            found = _solve(requirement, limits, variant, options)
            task.advance()
            return found

        return list(pool.map(solve, manifest.packages))


def _solve(requirement: str, limits: Path | None, variant: Variant, options: Options) -> tuple[Root, list[Package]]:
    from abiclash.sources.resolve import resolve  # noqa: PLC0415 - listing corpora does without

    name = canonicalize_name(Requirement(requirement).name)
    try:
        found = resolve([_target(requirement, limits)], variant.python, variant.platform, options)
        packages = [_hashed(package) for package in found.packages]
    except AbiclashError as error:
        return Root(name, requirement, (), str(error)), []
    problem = "; ".join(f"{item.what}: {item.reason}" for item in found.not_analysed)
    own = [str(package.sha256) for package in packages if package.name == name]
    others = sorted(str(package.sha256) for package in packages if package.name != name)
    if not own:
        return Root(name, requirement, (), problem or "no wheel of it was found"), []
    return Root(name, requirement, (*own, *others), problem), packages


def _target(requirement: str, limits: Path | None) -> Target:
    from abiclash.sources.target import parse_target, requirements_target  # noqa: PLC0415 - as above

    if limits is None:
        return parse_target(requirement)
    wanted = limits.with_name(f"{hashlib.sha256(requirement.encode()).hexdigest()}.txt")
    wanted.write_text(f"-c {limits}\n{requirement}\n", "utf-8")
    return requirements_target(str(wanted))


def _hashed(package: Package) -> Package:
    """Return a package with its sha256, which an index of local files does not tell. Raises SourceError."""
    if package.sha256 is not None:
        return package
    if package.path is None:
        raise SourceError(f"{package.filename}: the index does not say its sha256, and a lock needs it")
    try:
        with package.path.open("rb") as file:
            return replace(package, sha256=hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise SourceError(f"{package.path}: cannot be read: {error.strerror}; check the path") from error


def render(lock: Lock) -> str:
    """Return a lock as JSON text, the same bytes for the same lock."""
    document = {
        "lock": FORMAT,
        "corpus": lock.corpus,
        "created": lock.created,
        "variant": asdict(lock.variant),
        "orders": lock.orders,
        "packages": [asdict(root) for root in lock.roots],
        "files": [_file(file) for _, file in sorted(lock.files.items())],
    }
    return json.dumps(document, indent=1) + "\n"


def _file(file: Package) -> dict[str, Any]:
    where = {"path": str(file.path)} if file.path is not None else {"url": file.url}
    own = {"name": file.name, "version": file.version, "filename": file.filename, "sha256": file.sha256}
    return {**own, **where, "size": file.size}


def read(path: Path) -> Lock:
    """Return the lock in a file. Raises SourceError where it is none."""
    try:
        return parse(read_text(path))
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: not a lock of a corpus: {error}; make it anew with 'corpus lock'") from error


def parse(text: str) -> Lock:
    """Undo `render`. Raises ValueError, KeyError, TypeError."""
    content = read_json(text)
    if content["lock"] != FORMAT:
        raise ValueError(f"its format is {content['lock']}, this abiclash reads {FORMAT}")
    roots = tuple(Root(**{**root, "files": tuple(root["files"])}) for root in content["packages"])
    files = {}
    for file in content["files"]:
        path = Path(file["path"]) if "path" in file else None
        files[file["sha256"]] = Package(
            file["name"],
            file["version"],
            file["filename"],
            file["sha256"],
            file.get("url"),
            path,
            requested=False,
            size=file["size"],
        )
    return Lock(content["corpus"], content["created"], Variant(**content["variant"]), content["orders"], roots, files)

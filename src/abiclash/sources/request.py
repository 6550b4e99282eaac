"""What a set of targets asks of the resolver, and what it brings along."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from abiclash.errors import NotAnalysed, SourceError, UsageError, WheelError
from abiclash.facts.archive import Archive
from abiclash.facts.limits import Limits, over
from abiclash.sources import lockfiles
from abiclash.sources.environment import installed_names
from abiclash.sources.pylock import NO_WHEEL, File, best_file, wheels_in_words
from abiclash.sources.requirements import Requirements
from abiclash.sources.resolution import Line
from abiclash.sources.target import (
    EnvironmentTarget,
    FolderTarget,
    LockTarget,
    ObjectTarget,
    RequirementsTarget,
    RequirementTarget,
    WheelTarget,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

    from abiclash.sources.platform import Runtime
    from abiclash.sources.resolution import Package
    from abiclash.sources.target import Target


@dataclass
class Request:
    """Everything the targets say.

    settings: options of the index, from requirements files and folders. given: wheels that a lock decided.
    provided: names that an environment holds. pinned: every line comes from a lock, which lists its dependencies.
    """

    runtime: Runtime
    lines: list[Line] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    settings: list[tuple[str, str]] = field(default_factory=list)
    given: list[Package] = field(default_factory=list)
    provided: set[str] = field(default_factory=set)
    objects: list[Path] = field(default_factory=list)
    environment: Path | None = None
    not_analysed: list[NotAnalysed] = field(default_factory=list)
    pinned: bool = True

    @classmethod
    def of(cls, targets: Iterable[Target], runtime: Runtime) -> Request:
        """Return what the targets ask for together.

        Raises SourceError where a file that lists others cannot be read, UsageError where targets exclude each other.
        """
        request = cls(runtime)
        for target in targets:
            request.add(target)
        request.check()
        return request

    def add(self, target: Target) -> None:
        """Add one target."""
        match target:
            case RequirementTarget():
                self.pinned = False
                if applies(target, self.runtime):
                    self.lines.append(Line(target.text, target.name, target.line, target.hashes))
                else:
                    self.not_analysed.append(NotAnalysed(target.text, f"its marker is false for {self.runtime}"))
            case WheelTarget():
                self.pinned = False
                self._wheel(target)
            case FolderTarget():
                self.pinned = False
                self._folder(target)
            case RequirementsTarget():
                self._requirements(target)
            case LockTarget():
                self._lock(target)
            case EnvironmentTarget():
                if self.environment is not None:
                    raise UsageError(f"--env {target.text}: a scan looks at one environment; scan them separately")
                self.environment = target.path
                self.provided |= installed_names(target.path)
            case ObjectTarget():
                self.objects.append(target.path.resolve())

    def check(self) -> None:
        """Refuse what cannot be in one environment: two different files of one project."""
        files: dict[str, Line] = {}
        for line in self.lines:
            if line.local is None:
                continue
            other = files.setdefault(line.name, line)
            if other.local != line.local:
                raise UsageError(
                    f"{other.text} and {line.text}: both are {line.name}, and an environment holds one version of it;"
                    " scan them separately"
                )

    def _wheel(self, target: WheelTarget) -> None:
        path = target.path.resolve()
        if best_file([File(path.name, None, None, path)], self.runtime.tags) is None:
            why = f"{NO_WHEEL}{self.runtime}; {wheels_in_words([path.name], self.runtime)}"
            self.not_analysed.append(NotAnalysed(target.text, why))
        elif problem := _unreadable(path):
            self.not_analysed.append(NotAnalysed(target.text, problem))
        else:
            line = f"{target.name}{target.extras} @ {path.as_uri()}"
            self.lines.append(Line(target.text, target.name, line, local=path))

    def _folder(self, target: FolderTarget) -> None:
        """Add the newest wheel of each project that fits; the folder serves dependencies as well."""
        self.settings.append(("find-links", str(target.path.resolve())))
        by_name: dict[str, dict[Version, list[File]]] = {}
        for path in sorted(target.path.glob("*.whl")):
            try:
                name, version, *_ = parse_wheel_filename(path.name)
            except InvalidWheelFilename as error:
                self.not_analysed.append(NotAnalysed(str(path), f"not the file name of a wheel: {error}"))
                continue
            by_name.setdefault(name, {}).setdefault(version, []).append(File(path.name, None, None, path))
        for project, versions in sorted(by_name.items()):
            self._newest(target, project, versions)

    def _newest(self, target: FolderTarget, name: str, versions: dict[Version, list[File]]) -> None:
        fitting = {version: file for version in versions if (file := best_file(versions[version], self.runtime.tags))}
        if not fitting:
            filenames = [file.filename for files in versions.values() for file in files]
            why = f"{NO_WHEEL}{self.runtime} in {target.text}; {wheels_in_words(filenames, self.runtime)}"
            self.not_analysed.append(NotAnalysed(name, why))
            return
        newest = max(fitting)
        for version in sorted(fitting.keys() - {newest}):
            why = f"an environment holds one version, and {newest} is newer; name the file to scan it"
            self.not_analysed.append(NotAnalysed(fitting[version].filename, why))
        path = fitting[newest].path
        if path is not None:
            self._wheel(WheelTarget(str(Path(target.text) / path.name), path, name))

    def _requirements(self, target: RequirementsTarget) -> None:
        read = Requirements()
        read.read(target.path)
        for item in read.targets:
            # Such files are written for several platforms: lines for the others are no news.
            if not isinstance(item, RequirementTarget) or applies(item, self.runtime):
                self.add(item)
        self.constraints += read.constraints
        self.settings += read.settings
        self.not_analysed += read.not_analysed
        if not read.targets and not read.not_analysed:
            raise SourceError(f"-r {target.text}: no requirement in it")

    def _lock(self, target: LockTarget) -> None:
        content = lockfiles.read(target, self.runtime)
        self.given += content.packages
        self.settings += content.settings
        self.lines += content.lines
        self.not_analysed += content.not_analysed
        self.provided |= {package.name for package in content.packages}


def applies(target: RequirementTarget, runtime: Runtime) -> bool:
    """Return whether the marker of a requirement, if it has one, is true."""
    marker = Requirement(target.line).marker
    return marker is None or marker.evaluate({**runtime.markers, "extra": ""})


def _unreadable(path: Path) -> str | None:
    """Return why a file is not a wheel, or none to resolve with, as far as its directory shows; None if it looks right.

    uv unpacks a wheel that it is given, and knows no limits.
    """
    limits = Limits.load()
    try:
        with Archive(path, limits) as archive:
            members = archive.members
    except WheelError as error:
        return str(error).removeprefix(f"{path}: ")
    for member in members:
        if member.size > limits.member:
            return f"{member.name}: it has {member.size} bytes, {over('member', limits.member)}"
        if member.size > max(limits.free, limits.ratio * member.packed):
            return f"{member.name}: its inflated bytes to its packed ones are {over('ratio', limits.ratio)}"
    names = [member.name for member in members]
    own = canonicalize_name(path.name.partition("-")[0])
    infos = [name for name in names if name.endswith(".dist-info/METADATA") and name.count("/") == 1]
    if not any(canonicalize_name(info.partition("-")[0]) == own for info in infos):
        return "no METADATA in it: not a wheel, or not a whole one; get the file anew"
    return None

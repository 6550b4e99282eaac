"""Build small libraries from text with the machine's compiler, each distinct one only once."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.support.require import cache_folder, missing

if TYPE_CHECKING:
    from collections.abc import Sequence

Language = Literal["c", "c++", "assembler"]


@functools.cache
def _identity(compiler: str) -> str | None:
    """Return the full path and version of a compiler, or None where there is none."""
    path = shutil.which(compiler)
    if path is None:
        return None
    done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False)
    return f"{path}\n{done.stderr.splitlines()[-1:]}" if done.returncode == 0 else None


@dataclass(frozen=True)
class _Recipe:
    """Everything that decides the bytes of a result."""

    source: str
    language: Language
    compiler: str | None
    libs: tuple[Path, ...]
    options: tuple[str, ...]
    versions: str | None = None

    @property
    def tool(self) -> str:
        return self.compiler or ("g++" if self.language == "c++" else "gcc")

    def key(self) -> str:
        identity = _identity(self.tool)
        if identity is None:
            missing("compiler", f"needs {self.tool}")
        # Paths of needed libraries are part of it: a library without a soname is needed by its path.
        parts = [identity, self.source, self.language, self.versions or "", *self.options, *map(str, self.libs)]
        digest = hashlib.sha256("\0".join(parts).encode())
        for lib in self.libs:
            digest.update(lib.read_bytes())
        return digest.hexdigest()

    def compile(self, target: Path) -> None:
        suffix = {"c": ".c", "c++": ".cc", "assembler": ".s"}[self.language]
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            text, out = Path(scratch, f"source{suffix}"), Path(scratch, "out")
            text.write_text(self.source)
            command = [self.tool, "-O1", "-o", str(out), str(text), "-Wl,--no-as-needed", *map(str, self.libs)]
            if self.versions is not None:
                script = Path(scratch, "versions.map")
                script.write_text(self.versions)
                command.append(f"-Wl,--version-script,{script}")
            command += self.options
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=scratch)
            if done.returncode:
                message = f"{' '.join(command)}\n{done.stderr}"
                raise AssertionError(message)
            # Renamed, so that parallel test processes never see half a library.
            out.replace(target)


@dataclass(frozen=True)
class Builder:
    """Compiles and links; results are kept by a hash of everything that went into them.

    cache: folder of finished files. folder: where `library` and `program` put them unless told otherwise.
    """

    cache: Path
    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Builder:
        """Return a builder that puts its files into `folder`; the test skips where there is no compiler."""
        if _identity("gcc") is None or _identity("g++") is None:
            missing("compiler", "needs gcc and g++ to build small libraries")
        return cls(cache_folder("built"), folder)

    def library(
        self,
        name: str,
        source: str,
        *,
        libs: Sequence[Path] = (),
        flags: Sequence[str] = (),
        soname: str | None = None,
        runpath: str | None = None,
        rpath: str | None = None,
        versions: str | None = None,
        language: Language = "c",
        compiler: str | None = None,
        into: Path | None = None,
    ) -> Path:
        """Build the shared library `into/name`.

        soname: by default the file's name; "" for none. libs: libraries it needs, in this order, used or not.
        versions: text of a version script. flags: after all others, so "-nostdlib" or "-Wl,-Bsymbolic" just work.
        """
        options = ["-shared", "-fPIC"]
        if soname != "":
            options.append(f"-Wl,-soname,{soname or Path(name).name}")
        if runpath is not None:
            options.append(f"-Wl,--enable-new-dtags,-rpath,{runpath}")
        if rpath is not None:
            options.append(f"-Wl,--disable-new-dtags,-rpath,{rpath}")
        recipe = _Recipe(source, language, compiler, tuple(libs), (*options, *flags), versions)
        return self._build(name, recipe, into)

    def program(
        self,
        name: str,
        source: str,
        *,
        libs: Sequence[Path] = (),
        flags: Sequence[str] = (),
        language: Language = "c",
        compiler: str | None = None,
        into: Path | None = None,
    ) -> Path:
        """Build the executable `into/name`, linked to `libs` in this order."""
        return self._build(name, _Recipe(source, language, compiler, tuple(libs), tuple(flags)), into)

    def _build(self, name: str, recipe: _Recipe, into: Path | None) -> Path:
        kept = self.cache / recipe.key()
        if not kept.exists():
            recipe.compile(kept)
        target = (into or self.folder) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, target)
        target.chmod(0o755)
        return target

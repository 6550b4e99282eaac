"""Debian packages of any release and architecture, downloaded and unpacked beside the running system."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from abiclash.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURES = {
    "x86_64": "amd64",
    "i686": "i386",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
"""Debian's name of each machine."""

_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"


def download(suite: str, machine: str, packages: list[str], folder: Path) -> Path:
    """Download packages of a Debian release and return the folder with the .deb files.

    apt gets a state of its own under `folder`, so the machine's apt is not touched. Raises LabError when apt fails.
    """
    for part in ("etc/apt", "lists/partial", "archives/partial", "debs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    mirror, security = _mirrors(folder)
    release = f"deb [signed-by={_KEYS}] {mirror} {suite} main"
    updates = f"deb [signed-by={_KEYS}] {security} {suite}-security main"
    architecture = ARCHITECTURES[machine]
    settings = {
        "Dir::Etc": f"{folder}/etc/apt",
        "Dir::State": str(folder),
        "Dir::State::lists": f"{folder}/lists",
        "Dir::State::status": f"{folder}/status",
        "Dir::Cache": str(folder),
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Acquire::Languages": "none",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    update = ["apt-get", *options, "--quiet", "update"]
    listed = folder / "etc/apt/sources.list"
    try:
        listed.write_text(f"{release}\n{'' if suite == 'sid' else updates}\n", encoding="utf-8")
        _run(update, folder)
    except LabError:  # a mirror in the middle of its update; the release itself has every package too
        listed.write_text(f"{release}\n", encoding="utf-8")
        _run(update, folder)
    _run(["apt-get", *options, "--quiet", "download", *packages], folder / "debs")
    return folder / "debs"


def _mirrors(folder: Path) -> tuple[str, str]:
    """Return the addresses of Debian's archive and of its security archive, as the machine's apt is configured."""
    known = _run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"], folder).split()
    archive = next((uri for uri in known if "security" not in uri), None)
    if archive is None:
        raise LabError("apt-get: no Debian archive is configured here; add one to apt's sources")
    plain = archive.rstrip("/")
    return plain, next((uri for uri in known if "security" in uri), f"{plain}-security")


def unpack(debs: Path, tree: Path) -> list[str]:
    """Unpack all .deb files of a folder into a new tree with a merged /usr; returns `name version` of each, sorted.

    An older tree of the same name is replaced. Raises LabError when one cannot be unpacked.
    """
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    names = []
    for package in sorted(debs.glob("*.deb")):
        _run(["dpkg-deb", "--extract", str(package), str(tree)], debs)
        shown = _run(["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(package)], debs)
        names.append(shown.strip())
    for name in ("bin", "lib", "lib64", "sbin"):
        old, merged = tree / name, tree / "usr" / name
        if old.is_symlink() or not (old.is_dir() or merged.is_dir()):
            continue
        if old.is_dir():
            shutil.copytree(old, merged, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(old)
        old.symlink_to(f"usr/{name}")
    return sorted(names)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: not found; this needs a Debian system") from error
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(command[:1])}: {error.stderr.strip() or error}; check the package names") from error
    return done.stdout

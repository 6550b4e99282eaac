"""The main job: targets in, findings out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """What to look at, and as if where.

    targets: as the user named them. requirements: files in requirements.txt format. environment: an installed
    environment to look at. python: "3.11" or "3.11.7"; None: the environment's, else the one abiclash runs on.
    platform: a platform tag such as manylinux_2_28_x86_64; None: this machine's. host: name or path of a host
    profile; None: this machine where it fits the platform, else the shipped one nearest to it. all_orders: play the
    packages in every order that matters, not only as given. cache: folder of wheels and facts; None: the user's.
    offline: use no network. refresh: resolve anew and read wheels again that are known already.
    """

    targets: tuple[str, ...]
    requirements: tuple[Path, ...] = ()
    environment: Path | None = None
    python: str | None = None
    platform: str | None = None
    host: str | None = None
    all_orders: bool = True
    cache: Path | None = None
    offline: bool = False
    refresh: bool = False

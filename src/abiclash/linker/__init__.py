"""The dynamic linker's model: `start` a process, then let it dlopen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from abiclash.linker.process import HostSettings, Process
    from abiclash.linker.world import World


def start(
    world: World, host: HostSettings, executable: str, preload: Sequence[str] = (), *, bind_now: bool = False
) -> Process:
    """Start a program under the dynamic linker of the host's C library. Raises LoadFailure where it cannot start.

    bind_now: LD_BIND_NOW is set, so that calls to undefined functions are fatal from the start.
    """
    from abiclash.linker.musl import MuslProcess  # noqa: PLC0415 - importing the room stays cheap
    from abiclash.linker.process import Process  # noqa: PLC0415

    kind = MuslProcess if host.libc == "musl" else Process
    return kind.start(world, host, executable, preload, bind_now=bind_now)

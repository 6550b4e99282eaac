"""Run as a script in a fresh process: take away the network, set limits, then become the program to observe.

usage: child.py SETTINGS PROGRAM [ARGUMENT...]     SETTINGS is JSON: memory (bytes or null), report (path), environ

It runs under abiclash's own interpreter with -I -S and imports nothing of abiclash. LD_DEBUG and its like are set at
the last moment, so that nothing but the program itself is logged; exec keeps the process id, which names the log.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def without_network() -> bool:
    """Enter an empty network namespace, through a user namespace where the caller has no rights of its own."""
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(CLONE_NEWNET) == 0:
        return True
    uid, gid = os.getuid(), os.getgid()
    if unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    return True


def main(settings: str, *command: str) -> None:
    wanted = json.loads(settings)
    try:
        offline = without_network()
    except (OSError, AttributeError):
        offline = False
    Path(wanted["report"]).write_text("offline" if offline else "online", encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if wanted["memory"] is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted["memory"], wanted["memory"]))
    os.execve(command[0], list(command), wanted["environ"])  # noqa: S606 - becoming the program is the point


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Canonical paths on a file system that is not this machine's, or not at its root."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_LINKS = 40  # MAXSYMLINKS of Linux


def canonical(path: str, link: Callable[[str], str | None]) -> str | None:
    """Return the path with `.`, `..` and symbolic links resolved, component by component as the kernel does.

    path: absolute. link: the target of a symbolic link at a canonical path, None for anything else.
    None when links go round in circles or the path is relative.
    """
    if not path.startswith("/"):
        return None
    waiting = path.split("/")[::-1]
    done: list[str] = []
    followed = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        target = link("/" + "/".join([*done, part]))
        if target is None:
            done.append(part)
            continue
        followed += 1
        if followed > _MOST_LINKS:
            return None
        if target.startswith("/"):
            done.clear()
        waiting.extend(target.split("/")[::-1])
    return "/" + "/".join(done)

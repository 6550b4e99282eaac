"""Run command lines of abiclash in this process, and tell what it did: python watched.py REPORT COMMANDS (JSON).

An audit hook sees what Python does whoever asks for it: programs started, libraries opened, files written, code
executed, pickles read (docs.python.org, "Audit events table").
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

SEEN: list[list[str]] = []
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_STARTS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn"}
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "os.truncate"}
_TOLD = _STARTS | _CHANGES | {"ctypes.dlopen", "pickle.find_class", "socket.connect", "os.putenv"}


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & _WRITING:
            SEEN.append(["write", os.fsdecode(path) if isinstance(path, str | bytes) else str(path)])
    elif event == "exec":
        SEEN.append(["exec", str(getattr(arguments[0], "co_filename", ""))])
    elif event == "import":
        SEEN.append(["import", str(arguments[0]), str(arguments[1])])
    elif event in _TOLD:
        SEEN.append([event, *map(str, arguments[:2])])


def main() -> None:
    report, commands = Path(sys.argv[1]), json.loads(sys.argv[2])
    from abiclash.cli.app import run  # noqa: PLC0415 - before the hook: its own start is no concern

    sys.addaudithook(hook)
    ends = []
    for command in commands:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            ends.append([run(command), said.getvalue()])
    seen = list(SEEN)
    report.write_text(json.dumps({"ends": ends, "seen": seen}))


if __name__ == "__main__":
    main()

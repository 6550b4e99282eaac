"""The command line: arguments, output, exit status, and nothing else.

Each command is a module with a function `command`, imported when it is asked for.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and end the process."""
    try:
        from abiclash.cli.app import run  # noqa: PLC0415 - keeps `import abiclash.cli` free of click

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before `run` could turn it into a status
        sys.exit(130)

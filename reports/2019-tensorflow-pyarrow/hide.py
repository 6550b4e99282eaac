"""What hiding would have done: python hide.py ENVIRONMENT   An environment with tensorflow 1.13.1 and pyarrow 0.13.0.

Works on a copy. Prints how three programs end with nothing hidden, with the two variables hidden in all of pyarrow's
libraries, and with `__once_proxy` hidden as well.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from abiclash.lab.investigate.overlay import overlay
from abiclash.lab.investigate.trial_edits import HIDE, Editor

VARIABLES = ["_ZSt11__once_call", "_ZSt15__once_callable"]
PROGRAMS = ["import pyarrow", "import pyarrow, tensorflow", "import tensorflow, pyarrow"]

with overlay(Path(sys.argv[1])) as copy:
    site = next(copy.path.glob("lib/python3*/site-packages"))
    editor = Editor(copy, str(site.relative_to(copy.path)))
    libraries = sorted(str(path.relative_to(site)) for path in site.glob("pyarrow/*.so*"))
    for hidden in ([], VARIABLES, [*VARIABLES, "__once_proxy"]):
        for file, data in editor.changed(libraries, hidden, HIDE).items():
            copy.write(file, data)
        for program in PROGRAMS:
            status = subprocess.run([copy.python, "-W", "ignore", "-c", program], check=False).returncode
            print(f"hidden: {', '.join(hidden) or 'nothing'}; {program}: {status}")
        copy.restore()

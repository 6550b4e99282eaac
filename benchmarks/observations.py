"""What imports really load, recorded once: three runs of each in its environment, kept as JSON for later tables."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.lab.observed_plan import observe_loads
from abiclash.lab.run import Limits, run_child

if TYPE_CHECKING:
    from collections.abc import Mapping

_HERE = "$environment"
_LIMITS = Limits(seconds=600)
_WATCH = """
import atexit, json, sys
seen = {{}}
def caller():
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return [frame.f_code.co_filename, frame.f_lineno, frame.f_globals.get("__name__")] if frame else ["", 0, ""]
class Watcher:
    def find_spec(self, name, path=None, target=None):
        seen.setdefault(name, caller())
        return None
sys.meta_path.insert(0, Watcher())
atexit.register(lambda: open({notes!r}, "w").write(json.dumps(seen)))
import {module}
"""

Place = tuple[str, int, str]
"""A line of Python: file, number, and the module that runs it."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One import as it was run.

    opened: what dlopen was asked for and found, in order, without repetitions: real paths, bare names as they are.
    again: the same of another run. importers: module -> who imported it first.
    """

    opened: tuple[str, ...]
    again: tuple[str, ...]
    importers: Mapping[str, Place]


def observation(folder: Path, wanted: Mapping[str, Any], module: str, records: Path, *, anew: bool) -> Observation:
    """Return the record of an import in an environment made of `wanted`; it is run where there is none, or `anew`.

    A record belongs to the packages and not to the folder. Raises LabError where the import fails.
    """
    identity = json.dumps([wanted["python"], sorted(wanted["packages"]), module])
    path = records / f"{module}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"
    place = os.path.realpath(folder)
    if anew or not path.exists():
        text = json.dumps(_observe(folder / "bin" / "python", module), indent=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(place, _HERE).replace(str(folder), _HERE), encoding="utf-8")
    known = json.loads(path.read_text(encoding="utf-8").replace(_HERE, place))
    importers = {name: (file, line, by) for name, (file, line, by) in known["importers"].items()}
    return Observation(tuple(known["opened"]), tuple(known["again"]), importers)


def _observe(python: Path, module: str) -> dict[str, Any]:
    """Run an import three times: the first notes who imports what, and leaves compiled bytecode for the others."""
    with tempfile.TemporaryDirectory(prefix="abiclash-") as name:
        notes = Path(name, "notes")
        watch = _WATCH.format(notes=str(notes), module=module)
        run_child([str(python), "-W", "ignore", "-c", watch], Path(name), limits=_LIMITS)
        importers = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    runs = [_opened(python, module), _opened(python, module)]
    return {"opened": runs[0], "again": runs[1], "importers": importers}


def _opened(python: Path, module: str) -> list[str]:
    seen = observe_loads(python, f"import {module}", limits=_LIMITS)
    return list(dict.fromkeys(load.path if "/" in load.name else load.name for load in seen if load.found))

"""Runs of this interpreter with small compiled libraries: what the lab sees must be what was built."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import LabError
from abiclash.lab.observe import observe
from abiclash.lab.records import read_records, write_records
from abiclash.lab.run import Limits, interpreter, usual_memory

if TYPE_CHECKING:
    from tests.support import Builder

pytestmark = pytest.mark.compiler
CDLL = "import ctypes, os\nlib = ctypes.CDLL({path!r}{flags})\n"


def load(path: Path, flags: str = "") -> str:
    return CDLL.format(path=str(path), flags=flags)


def test_relocations_are_bindings_and_dlsym_is_not(builder: Builder) -> None:
    below = builder.library("libbelow.so", "int shared = 1; int below(void) { return shared; }")
    source = "extern int below(void); extern int shared; int *where = &shared; int top(void) { return below(); }"
    top = builder.library("libtop.so", source, libs=[below], runpath="$ORIGIN")
    found = observe(sys.executable, load(top) + "lib.top()")
    assert (found.exit, found.garbled) == (0, 0)
    own = {(row.symbol, Path(row.target).name) for row in found.bindings if row.source == str(top)}
    assert {("below", "libbelow.so"), ("shared", "libbelow.so")} <= own
    assert ("top", "libtop.so") not in own
    assert ("top", str(top), str(top)) in {(row.symbol, row.source, row.target) for row in found.lookups}
    kinds = [event.kind for event in found.events if event.path in {str(top), str(below)}]
    assert kinds == ["load", "relocate", "relocate", "init", "init", "open", "fini", "fini"]
    assert next(event for event in found.events if event.path == "libbelow.so").by == str(top)


def test_the_interpreters_own_lookups_are_set_aside() -> None:
    found = observe(sys.executable, "")
    own = [row.symbol for row in found.lookups if row.source == os.path.realpath(sys.executable)]
    assert own in ([], ["calloc", "free", "malloc", "realloc"])
    assert not [row for row in found.bindings if "vdso" in row.source]
    assert len(found.bindings) > 1000


def test_flags_and_second_opens_show(builder: Builder) -> None:
    path = builder.library("libone.so", "int one(void) { return 1; }")
    again = f"ctypes.CDLL({str(path)!r}, mode=ctypes.RTLD_GLOBAL)"
    events = [
        (event.kind, event.text)
        for event in observe(sys.executable, load(path) + again).events
        if event.path == str(path)
    ]
    assert events == [
        ("load", ""),
        ("relocate", ""),
        ("init", ""),
        ("open", "1"),
        ("open", "2"),
        ("global", ""),
        ("fini", ""),
    ]


def test_lazy_binding_is_observed_as_it_is(builder: Builder) -> None:
    needs = "extern int missing(void); int call(void) { return missing(); }"
    path = builder.library("libneeds.so", needs, flags=["-Wl,-z,lazy"])
    code = f"import sys, os, _ctypes\nsys.setdlopenflags(os.RTLD_LAZY)\n_ctypes.dlopen({str(path)!r}, os.RTLD_LAZY)"
    eager = observe(sys.executable, code)
    assert eager.exit == 1
    assert [event.text for event in eager.events if event.kind == "error"] == [
        "symbol lookup error: undefined symbol: missing"
    ]
    # ctypes adds RTLD_NOW itself; only an extension module can ask for RTLD_LAZY
    lazily = observe(sys.executable, "pass", bind_now=False)
    assert [event.text for event in lazily.events if event.kind == "relocate"].count("lazy") > 0


def test_a_closed_library_is_unloaded(builder: Builder) -> None:
    path = builder.library("libone.so", "int one(void) { return 1; }")
    code = load(path) + "import _ctypes; _ctypes.dlclose(lib._handle); ctypes.CDLL(lib._name)"
    kinds = [event.kind for event in observe(sys.executable, code).events if event.path == str(path)]
    assert kinds == ["load", "relocate", "init", "open", "fini", "unload", "load", "relocate", "init", "open", "fini"]


def test_a_signal_is_the_exit_status() -> None:
    found = observe(sys.executable, "import os; os.kill(os.getpid(), 11)")
    assert found.exit == -11
    assert found.run is not None
    assert found.run.signal == "SIGSEGV"
    assert found.bindings


def test_the_time_limit_ends_the_program_and_its_children() -> None:
    code = "import os, time\nchild = os.fork()\nif child: print(child, flush=True)\ntime.sleep(600)"
    found = observe(sys.executable, code, limits=Limits(seconds=2.0))
    assert found.run is not None
    assert (found.run.timed_out, found.run.signal) == (True, "SIGKILL")
    assert found.run.seconds < 60
    try:
        state = Path(f"/proc/{int(found.run.stdout)}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        state = "Z"
    assert state in "ZX"  # gone, or nobody's to reap


def test_the_memory_limit_holds() -> None:
    found = observe(sys.executable, "bytearray(1 << 31)", limits=Limits(memory=1 << 30))
    assert found.exit == 1
    assert found.run is not None
    assert "MemoryError" in found.run.stderr


def test_there_is_a_memory_limit_without_asking() -> None:
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_DATA)[0])"
    found = observe(sys.executable, code)
    assert found.run is not None
    assert int(found.run.stdout) == usual_memory() <= 16 << 30
    without = observe(sys.executable, code, limits=Limits(memory=None))
    assert without.run is not None
    assert int(without.run.stdout) == resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_the_program_has_a_home_of_its_own_and_no_input() -> None:
    code = (
        "import os, sys\nprint(os.environ['HOME'], os.getcwd(), repr(sys.stdin.read()), os.environ.get('LD_PRELOAD'))"
    )
    run = observe(sys.executable, code).run
    assert run is not None
    home, here, read, preload = run.stdout.split()
    assert home == here
    assert not Path(home).exists()
    assert (read, preload) == ("''", "None")


def test_no_network_where_it_says_so() -> None:
    run = observe(sys.executable, "import socket; print(sorted(name for _, name in socket.if_nameindex()))").run
    assert run is not None
    if not run.offline:
        pytest.skip("this system does not let a process leave the network")
    assert "eth" not in run.stdout
    assert "lo" in run.stdout


def test_a_forked_child_is_not_observed(builder: Builder) -> None:
    path = builder.library("libone.so", "int one(void) { return 1; }")
    code = f"import os, ctypes\nif os.fork() == 0:\n    ctypes.CDLL({str(path)!r})\n    os._exit(0)\nos.wait()"
    assert not [event for event in observe(sys.executable, code).events if event.path == str(path)]


def test_a_missing_interpreter_is_named() -> None:
    with pytest.raises(LabError, match="python-that-is-not: no such interpreter"):
        observe("python-that-is-not", "")


def test_what_is_no_python_is_refused() -> None:
    false = shutil.which("false")
    assert false is not None
    with pytest.raises(LabError, match="does not start as a Python interpreter"):
        interpreter(false)


def test_records_keep_an_observation(tmp_path: Path) -> None:
    found = observe(sys.executable, "import ctypes, ssl")
    path = tmp_path / "seen.jsonl.gz"
    write_records(found.records(), path)
    kept = read_records(path)
    assert (kept.exit, kept.events, kept.bindings, kept.lookups) == (0, found.events, found.bindings, found.lookups)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seen.jsonl.gz"
    write_records(observe(sys.executable, "").records(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(LabError, match="not a readable observation"):
        read_records(path)


def test_what_depends_on_hashes_is_the_same_in_every_run() -> None:
    code = "print([name for name in {'alpha', 'beta', 'gamma', 'delta', 'epsilon'}])"
    runs = [observe(sys.executable, code, bindings=False).run for _ in range(3)]
    assert len({run.stdout for run in runs if run is not None}) == 1

"""Loads as they were made: flags, the line that asked, what C code opened, what failed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import LabError
from abiclash.imports.observed import ObservedLoad, Places
from abiclash.lab.environments import make_environment
from abiclash.lab.observed_plan import observe_loads, observe_plan
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder

NOW, GLOBAL = os.RTLD_NOW, os.RTLD_GLOBAL


def test_extension_modules_come_with_their_names_and_flags() -> None:
    code = "import sys, os, _datetime\nsys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)\nimport _decimal"
    seen = {load.module: load for load in observe_loads(sys.executable, code) if load.module}
    wanted = seen["_decimal"]
    assert (wanted.flags, wanted.by, wanted.line) == (os.RTLD_LAZY | GLOBAL, "__main__", 7)
    assert wanted.path == os.path.realpath(wanted.name)
    assert (wanted.found, wanted.again) == (True, False)


@pytest.mark.compiler
def test_libraries_are_seen_whoever_opens_them(builder: Builder) -> None:
    inner = builder.library("libinner.so", "int inner(void) { return 1; }")
    source = f"""
        #include <dlfcn.h>
        __attribute__((constructor)) static void start(void) {{
            dlopen("libnowhere-at-all.so", RTLD_LAZY);
            dlopen("{inner}", RTLD_NOW | RTLD_GLOBAL);
        }}
    """
    outer = builder.library("libouter.so", source)
    code = f"import ctypes\nctypes.CDLL({str(outer)!r})\nctypes.CDLL({str(inner)!r}, ctypes.RTLD_GLOBAL)"
    seen = [load for load in observe_loads(sys.executable, code) if "/lib-dynload/" not in load.path]
    assert [(load.name, load.flags, load.by, load.found, load.again) for load in seen] == [
        (str(outer), NOW, "__main__", True, False),
        ("libnowhere-at-all.so", NOW, "", False, False),
        (str(inner), NOW | GLOBAL, "", True, False),
        (str(inner), NOW | GLOBAL, "__main__", True, True),
    ]
    assert [load.caller for load in seen[1:3]] == [str(outer)] * 2


def test_a_failing_import_has_no_plan() -> None:
    with pytest.raises(LabError, match=r"it ended with 1 \(ModuleNotFoundError: No module named 'nowhere'\)"):
        observe_loads(sys.executable, "import nowhere")


@pytest.mark.compiler
def test_a_plan_names_packages_and_is_free_of_the_place(builder: Builder, tmp_path: Path) -> None:
    library = builder.library("libdemo.so", "int demo(void) { return 1; }")
    text = "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libdemo.so'))\n"
    files: dict[str, str | bytes | Path] = {"demo/__init__.py": text, "demo/libdemo.so": library}
    wheel = make_wheel(tmp_path, files, tag="py3-none-any")
    environment = make_environment([str(wheel)], sys.executable, tmp_path / "cache")
    plan = observe_plan(environment.python, ["demo"], ["b" * 64, "a" * 64])
    assert (plan.wheels, plan.python, plan.modules) == (("a" * 64, "b" * 64), sys.version_info[:2], ("demo",))
    assert plan.seen[-1] == ObservedLoad("$site/demo/libdemo.so", NOW, None, "demo", "$site/demo/__init__.py", 2)
    assert "$stdlib/_ctypes" in [load.path for load in plan.seen]
    assert plan.loads(Places("/elsewhere", {}))[-1].path == "/elsewhere/demo/libdemo.so"
    with pytest.raises(LabError):
        observe_plan(environment.python, ["demo", "nowhere"], [])

"""`abiclash host capture`: this machine, written down and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.lab.host_capture import capture
from abiclash.sources.live_host import live
from abiclash.sources.profiles import load_profile

if TYPE_CHECKING:
    from pathlib import Path


def test_a_captured_machine_is_this_machine(tmp_path: Path) -> None:
    here = live(environ={})
    told = capture(tmp_path / "here.profile", name="mine")
    assert (told.name, told.machine, told.libc_version) == ("mine", here.machine, here.libc_version)
    assert told.interpreters == ((here.interpreter.version, here.interpreter.variant),)
    host = load_profile(str(tmp_path / "here.profile"), here.interpreter.version)
    assert host.processor == here.processor
    assert host.subdirectories == here.subdirectories
    for name in (
        "version",
        "release",
        "executable",
        "libpython",
        "suffixes",
        "extensions",
        "builtins",
        "site_packages",
    ):
        assert getattr(host.interpreter, name) == getattr(here.interpreter, name)
    assert host.interpreter.startup_modules == here.interpreter.startup_modules
    assert host.interpreter.stdlib_imports("ctypes") == here.interpreter.stdlib_imports("ctypes")
    for path in (here.interpreter.executable, *here.interpreter.extensions.values()):
        expected, found = here.object(path), host.object(path)
        assert expected is not None
        assert found is not None
        assert (expected.needed, expected.needs, expected.build_id) == (found.needed, found.needs, found.build_id)
        for soname in found.needed:
            if not soname.startswith("libpython"):
                assert here.realpath(here.cache[soname][0]) == host.realpath(host.cache[soname][0])


def test_a_library_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"libabsent\.so\.1: not in ld\.so\.cache"):
        capture(tmp_path / "here.profile", libraries=["libabsent.so.1"])
    assert not (tmp_path / "here.profile").exists()

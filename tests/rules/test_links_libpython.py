"""links-libpython: an extension module that needs the interpreter's library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import links_libpython, missing_library
from abiclash.rules.model import Audience, Severity
from tests.rules.refusals import refused
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

PYTHON = "libpython3.11.so.1.0"
MODULE = "void *PyInit_fast(void) { return 0; }"


def module_with_libpython(
    site: Site, source: str = MODULE, *, path: str = "pack/fast.cpython-311-x86_64-linux-gnu.so", needs: str = PYTHON
) -> None:
    """Build an extension module that was linked with a library of the interpreter's name."""
    site.library(needs, "int interpreter;", system=True)
    site.library(path, source, needs=[needs])


def test_found_a_module_that_needs_it(site: Site) -> None:
    module_with_libpython(site)
    (finding,) = links_libpython.check(in_wheels(site))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.MAINTAINER)
    assert [package.name for package in finding.packages] == ["pack"]
    assert finding.objects == ("pack/fast.cpython-311-x86_64-linux-gnu.so",)
    assert finding.summary == f"pack: 1 object(s) need {PYTHON}."
    assert (finding.failing_order, finding.safe_order) == (None, None)


def test_found_where_it_is_missing_the_load_fails_as_well(site: Site) -> None:
    name = "libpython3.99.so.1.0"
    module_with_libpython(site, needs=name)
    site.paths[name].unlink()
    case = in_wheels(site)
    assert refused(site, "pack") == [f"{name}: cannot open shared object file: No such file or directory"]
    assert len(list(links_libpython.check(case))) == 1
    (finding,) = missing_library.check(case)
    assert finding.advice[0].text == "Use an interpreter built with a shared libpython."


def test_near_miss_a_module_without_it(site: Site) -> None:
    site.library("pack/fast.so", MODULE)
    assert list(links_libpython.check(in_wheels(site))) == []


def test_near_miss_a_library_that_embeds_python(site: Site) -> None:
    module_with_libpython(site, "int run_script(void) { return 0; }", path="pack/libembed.so")
    assert list(links_libpython.check(in_wheels(site))) == []


def test_near_miss_a_module_of_another_name(site: Site) -> None:
    """What Python cannot import under its file's name is no extension module."""
    module_with_libpython(site, path="pack/libslow.so")
    assert list(links_libpython.check(in_wheels(site))) == []


def test_near_miss_a_module_that_is_asked_for_elsewhere(site: Site) -> None:
    """A reference to an entry is no module either."""
    source = "void *PyInit_fast(void); void *ask(void) { return PyInit_fast; }"
    module_with_libpython(site, source)
    assert list(links_libpython.check(in_wheels(site))) == []

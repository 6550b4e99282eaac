"""environment-path: a module sets a variable that another package's library reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import environment_path
from abiclash.rules.model import Audience, Severity
from tests.rules.python_side import with_python

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

READS = '#include <stdlib.h>\nconst char *plugins(void) { return getenv("VIEW_PLUGIN_PATH"); }\n'
SETS = 'import os\nos.environ["VIEW_PLUGIN_PATH"] = os.path.join(os.path.dirname(__file__), "plugins")\n'


def setter_and_reader(site: Site, source: str, reads: str = READS, *, later: bool = False) -> Case:
    site.opened["setter"] = []
    site.library("reader/libview.so", reads, later=later)
    return with_python(site, site.case(), {"setter/__init__.py": source})


def test_found_where_the_setter_comes_first(site: Site) -> None:
    (finding,) = environment_path.check(setter_and_reader(site, SETS))
    assert (finding.severity, finding.audience) == (Severity.WARNING, Audience.USER)
    assert [package.name for package in finding.packages] == ["reader", "setter"]
    assert finding.failing_order == ("setter", "reader")
    assert finding.safe_order == ("reader", "setter")
    assert finding.evidence["variable"] == "VIEW_PLUGIN_PATH"
    assert "setter/__init__.py:2" in finding.explanation


def test_found_in_a_library_that_is_loaded_later(site: Site) -> None:
    (finding,) = environment_path.check(setter_and_reader(site, SETS, later=True))
    assert finding.failing_order == ("setter", "reader")
    assert finding.evidence["stage"] == "use"


def test_near_miss_another_variable(site: Site) -> None:
    assert list(environment_path.check(setter_and_reader(site, SETS.replace("VIEW", "OTHER")))) == []


def test_near_miss_set_by_a_function(site: Site) -> None:
    assert (
        list(environment_path.check(setter_and_reader(site, "import os\ndef start():\n    " + SETS.splitlines()[1])))
        == []
    )


def test_found_a_variable_for_threads_is_a_note(site: Site) -> None:
    reads = READS.replace("VIEW_PLUGIN_PATH", "VIEW_NUM_THREADS")
    sets = 'import os\nos.environ["VIEW_NUM_THREADS"] = "1"\n'
    (finding,) = environment_path.check(setter_and_reader(site, sets, reads))
    assert (finding.severity, finding.audience) == (Severity.NOTE, Audience.RESEARCHER)

"""declared-order: a module that looks into sys.modules and refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.rules import declared_order
from abiclash.rules.model import Confidence, Severity
from tests.rules.python_side import plain, with_python

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler

REFUSES = 'import sys\nif "first" in sys.modules:\n    raise ImportError("second must be imported before first")\n'


def first_and_second(site: Site, source: str) -> Case:
    """Return two packages, the second of which has `source`."""
    sources = {"first/__init__.py": "", "second/__init__.py": source}
    return with_python(site, plain(site, "first", "second"), sources)


def test_found_in_the_order_that_is_refused(site: Site) -> None:
    case = first_and_second(site, REFUSES)
    (finding,) = declared_order.check(case)
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert [package.name for package in finding.packages] == ["first", "second"]
    assert finding.failing_order == ("first", "second")
    assert finding.safe_order == ("second", "first")
    assert "second/__init__.py:3" in finding.explanation
    assert finding.advice[0].checked


def test_found_where_the_other_must_come_first(site: Site) -> None:
    demands = REFUSES.replace(" in ", " not in ")
    case = first_and_second(site, demands)
    (finding,) = declared_order.check(case)
    assert finding.failing_order == ("second", "first")
    assert finding.safe_order == ("first", "second")


def test_found_where_the_package_carries_a_copy_of_the_other(site: Site) -> None:
    """The copy's modules have the other package's names once the first has put its folder on the path."""
    copied = f"{REFUSES}import os\nsys.path.insert(0, os.path.dirname(__file__) + '/copies')\nimport first\n"
    case = plain(site, "second", "first")
    sources = {"first/__init__.py": "", "second/__init__.py": copied, "second/copies/first/__init__.py": ""}
    (finding,) = declared_order.check(with_python(site, case, sources))
    assert finding.failing_order == ("first", "second")


def test_found_among_more_packages_than_are_followed(site: Site) -> None:
    case = plain(site, "first", "second", "third", "fourth")
    sources = {f"{name}/__init__.py": "" for name in ("first", "third", "fourth")}
    (finding,) = declared_order.check(with_python(site, case, {**sources, "second/__init__.py": REFUSES}))
    assert finding.confidence is Confidence.LIKELY
    assert finding.failing_order is not None
    assert finding.failing_order.index("first") < finding.failing_order.index("second")


def test_near_miss_it_only_looks(site: Site) -> None:
    looks = 'import sys\nif "first" in sys.modules:\n    slow = True\n'
    case = first_and_second(site, looks)
    assert list(declared_order.check(case)) == []


def test_near_miss_the_refusal_is_in_a_function_that_nobody_calls(site: Site) -> None:
    text = "import sys\ndef start():\n" + "".join(f"    {line}\n" for line in REFUSES.splitlines()[1:])
    case = first_and_second(site, text)
    assert list(declared_order.check(case)) == []


def test_near_miss_the_refused_module_is_nobodys_here(site: Site) -> None:
    case = plain(site, "other", "second")
    case = with_python(site, case, {"other/__init__.py": "", "second/__init__.py": REFUSES})
    assert list(declared_order.check(case)) == []

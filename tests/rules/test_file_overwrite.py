"""file-overwrite: two wheels write to one path."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from abiclash.rules import file_overwrite
from abiclash.rules.model import Severity
from tests.rules.wheel_side import in_wheels

if TYPE_CHECKING:
    from abiclash.rules.case import Case
    from tests.rules.harness import Site

pytestmark = pytest.mark.compiler


def two_wheels(site: Site, path: str, first: str, second: str, **records: str) -> Case:
    """Make wheels of `view` and `view-headless`, both of which install a file, and one of its own each."""
    files = {f"view:{path}": first, f"headless:{path}": second, "view:view.txt": "v", "headless:headless.txt": "h"}
    return in_wheels(site, files, records=records)


@pytest.mark.parametrize("path", ["cv/__init__.py", "cv/fast.so", "cv.libs/libview.so.5"])
def test_found_one_module_with_different_content(site: Site, path: str) -> None:
    (finding,) = file_overwrite.check(two_wheels(site, path, "a = 1\n", "a = 2\n"))
    assert finding.severity is Severity.WARNING
    assert [package.name for package in finding.packages] == ["headless", "view"]
    assert (finding.failing_order, finding.safe_order) == (None, None)
    assert finding.summary == f"headless and view both install 1 file(s) with different content, such as {path}."
    assert finding.objects == ((path,) if ".so" in path else ())
    assert finding.evidence == {"files": 1, "examples": [path]}
    assert finding.silent


def test_found_text_is_a_note(site: Site) -> None:
    (finding,) = file_overwrite.check(two_wheels(site, "docs/notes.sound.txt", "one", "two"))
    assert finding.severity is Severity.NOTE
    assert finding.objects == ()


def test_found_one_for_a_pair_with_many_files(site: Site) -> None:
    files = {f"{name}:shared/{n}.py": name for name in ("a", "b", "c") for n in range(3) if (name, n) != ("c", 0)}
    findings = list(file_overwrite.check(in_wheels(site, files)))
    assert [[package.name for package in finding.packages] for finding in findings] == [
        ["a", "b"],
        ["a", "c"],
        ["b", "c"],
    ]
    assert [finding.evidence["files"] for finding in findings] == [3, 2, 2]
    assert len({finding.id for finding in findings}) == 3


def test_found_by_size_where_a_record_states_no_hash(site: Site) -> None:
    (finding,) = file_overwrite.check(two_wheels(site, "cv/a.py", "a = 1\n", "a = 20\n", view="cv/a.py,,6\n"))
    assert finding.evidence["examples"] == ["cv/a.py"]


def test_near_miss_the_same_content(site: Site) -> None:
    assert list(file_overwrite.check(two_wheels(site, "cv/__init__.py", "a = 1\n", "a = 1\n"))) == []


def test_near_miss_a_record_without_hashes(site: Site) -> None:
    """The sizes agree, and the rest is not known."""
    assert list(file_overwrite.check(two_wheels(site, "cv/a.py", "a = 1\n", "a = 1\n", view="cv/a.py,,6\n"))) == []


def test_near_miss_another_kind_of_hash(site: Site) -> None:
    case = two_wheels(site, "cv/a.py", "a = 1\n", "a = 1\n", view="cv/a.py,sha512=YWJj,6\n")
    assert list(file_overwrite.check(case)) == []


def test_near_miss_compiled_python(site: Site) -> None:
    path = "cv/__pycache__/a.cpython-311.pyc"
    assert list(file_overwrite.check(two_wheels(site, path, "one", "two"))) == []


def test_near_miss_installed_packages(site: Site) -> None:
    """What was overwritten lies there once, and the loser's RECORD says nothing about it."""
    case = two_wheels(site, "cv/a.py", "a = 1\n", "a = 2\n")
    packages = {
        name: replace(package, wheel=replace(package.wheel, filename="", sha256=""))
        for name, package in case.packages.items()
    }
    assert list(file_overwrite.check(replace(case, packages=packages))) == []

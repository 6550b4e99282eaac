"""A finding retold from a stored report, and the script that shows it."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from abiclash.errors import UsageError
from abiclash.reports.chain import as_text
from abiclash.reports.paint import Paint
from abiclash.reports.reproducer import script
from abiclash.rules.model import Outcome, PackageId, ScannedPackage, Verdict
from tests.reports.cases import REAL
from tests.reports.sample import COVERAGE, HOSTILE, HOSTILE_RESULT

[FINDING] = REAL.findings


def test_script() -> None:
    text = script(FINDING, REAL)
    lines = text.splitlines()
    assert len(lines) <= 10
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1] == "# abiclash split-state: pyarrow==0.13.0 tensorflow==1.13.1, CPython 3.7"
    assert " numpy==1.21.6 " in lines[3]
    assert lines[4].endswith('-c "$dir/pins" pyarrow==0.13.0 tensorflow==1.13.1 || exit 2')
    assert lines[6:] == [
        'try "should fail" "import pyarrow, tensorflow" && bad=1',
        'try "should pass" "import tensorflow, pyarrow" || bad=1',
        "exit $bad",
    ]
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_only_the_packages_of_the_finding_are_imported() -> None:
    many = ("a", "pyarrow", "b", "tensorflow")
    finding = replace(FINDING, failing_order=many, safe_order=("tensorflow", "a", "pyarrow", "b"))
    lines = script(finding, REAL).splitlines()
    assert 'try "should fail" "import pyarrow, tensorflow" && bad=1' in lines
    assert 'try "should pass" "import tensorflow, pyarrow" || bad=1' in lines


def test_where_no_order_passes_each_alone_does() -> None:
    orders = (("pyarrow", "tensorflow"), ("tensorflow", "pyarrow"))
    evidence = {"failing_orders": [list(order) for order in orders]}
    finding = replace(FINDING, safe_order=None, evidence=evidence)
    lines = script(finding, REAL).splitlines()
    assert lines[7:9] == [
        'try "should pass" "import pyarrow" || bad=1',
        'try "should pass" "import tensorflow" || bad=1',
    ]


def test_an_order_that_lacks_the_finding_will_do() -> None:
    finding = replace(FINDING, safe_order=None)
    played = (Verdict(("tensorflow", "pyarrow"), Outcome.CONFLICT, COVERAGE),)
    assert '"import tensorflow, pyarrow" ||' in script(finding, replace(REAL, orders=played))


def test_late_ones_say_so() -> None:
    finding = replace(FINDING, evidence={"stage": "use"})
    assert "an import alone may pass" in script(finding, REAL).splitlines()[1]


@pytest.mark.parametrize(
    "package",
    [
        ScannedPackage("pyarrow; rm -rf ~", "1"),
        ScannedPackage("pyarrow", "1$(id)"),
        ScannedPackage("pyarrow", "1", modules=("os; evil()",)),
        ScannedPackage("pyarrow", "1", modules=('x"; id; "',)),
        ScannedPackage(HOSTILE, "1"),
    ],
)
def test_nothing_else_gets_into_a_script(package: ScannedPackage) -> None:
    finding = replace(FINDING, packages=(PackageId(package.name),), failing_order=(package.name,), safe_order=None)
    with pytest.raises(UsageError, match="no script is made of it"):
        script(finding, replace(REAL, packages=(package,)))


def test_nothing_to_install() -> None:
    with pytest.raises(UsageError, match="no package"):
        script(replace(FINDING, failing_order=None, packages=()), replace(REAL, orders=()))


def test_story() -> None:
    text = as_text(FINDING, REAL, None, "echo hello\n", Paint())
    assert text.startswith(f"{FINDING.id}: error, certain\n")
    assert "  2. A program imports pyarrow, tensorflow, in this order.\n" in text
    assert "ld.so looks up std::__once_call:\n" in text
    assert "  echo hello\n" in text


@pytest.mark.parametrize("width", [40, 200])
def test_hostile_names_come_out_inert(width: int) -> None:
    [finding] = HOSTILE_RESULT.findings
    text = as_text(finding, HOSTILE_RESULT, None, "", Paint(width=width))
    assert all(char.isprintable() or char == "\n" for char in text)
    assert len(text) < 100_000

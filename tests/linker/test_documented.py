"""docs/exactness.md names a case for each kind of load failure: the cases and the kinds must exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "exactness.md"
ROW = re.compile(r"^\| (?P<kind>[a-z-]+)(?: \(musl\))? \| .* \| (?P<file>test_\w+\.py)::(?P<test>test_\w+)(?: \*)? \|$")


def rows() -> list[re.Match[str]]:
    section = PAGE.read_text("utf-8").partition("## Load failures")[2]
    return [match for line in section.splitlines() if (match := ROW.match(line))]


def test_every_case_exists() -> None:
    absent = [row[0] for row in rows() if f"def {row['test']}(" not in (HERE / row["file"]).read_text("utf-8")]
    assert not absent


def test_every_kind_of_failure_has_a_case() -> None:
    source = HERE.parents[1] / "src" / "abiclash" / "linker"
    found = {
        kind
        for path in source.glob("*.py")
        for kind in re.findall(r'LoadFailure\(\s*"([a-z-]+)"', path.read_text("utf-8"))
    }
    assert found == {row["kind"] for row in rows()}

"""Write docs/reliability.md from what the long runs left: python benchmarks/reliability.py

benchmarks/fuzz.json (fuzz.py), bounds.json (bounds.py), mutants.json (mutants.py; `why` beside a survivor is written by
hand) and faults.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "reliability.md"
WANTED = {"elf": 2_000_000}
USUAL = 200_000


def main() -> None:
    parts = [(HERE / "reliability.txt").read_text("utf-8"), *_fuzz(_ledger("fuzz")), *_faults(_ledger("faults"))]
    parts += _bounds(_ledger("bounds"))
    PAGE.write_text("\n".join([*parts, *_mutants(_ledger("mutants"))]) + "\n", "utf-8")


def _ledger(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    return content


def _fuzz(ledger: dict[str, Any]) -> Iterator[str]:
    yield "## Fuzzing\n"
    yield "| target | executions | of the wanted | guided by coverage | seconds | failed, now fixed | commits |"
    yield "|---|---|---|---|---|---|---|"
    for name, own in sorted(ledger.items()):
        wanted = WANTED.get(name, USUAL)
        share = min(100, own["executions"] * 100 // wanted)
        counts = f"{own['executions']:,} | {share} % of {wanted:,} | {own['guided']:,} | {own['seconds']:,}"
        commits = ", ".join(f"{commit} ({count:,})" for commit, count in own["commits"].items())
        yield f"| {name} | {counts} | {own['failures']} | {commits} |"
    yield ""


def _faults(ledger: dict[str, Any]) -> Iterator[str]:
    yield "## Faults\n"
    yield "| what | times | how it ended | test |"
    yield "|---|---|---|---|"
    for row in ledger["rows"]:
        yield "| " + " | ".join(str(row[key]) for key in ("what", "times", "end", "test")) + " |"
    yield ""


def _bounds(ledger: dict[str, Any]) -> Iterator[str]:
    yield "## Bounds\n"
    yield "What hostile inputs cost, the start of the program (about 0.5 s) included.\n"
    yield "| input | exit status | CPU, s | peak memory, MB |"
    yield "|---|---|---|---|"
    for row in ledger["rows"]:
        yield f"| {row['what']} | {row['status']} | {row['cpu']} | {row['megabytes']} |"
    yield ""


def _mutants(ledger: dict[str, Any]) -> Iterator[str]:
    yield "## Mutants\n"
    for module, own in sorted(ledger.items()):
        killed = own["tried"] - len(own["survivors"])
        yield f"`{module}`: {own['mutants']} mutants, {_tried(own)}, {killed} killed. Commit {own['commit']}.\n"
        if own["survivors"]:
            yield "| line | change | survives because |"
            yield "|---|---|---|"
            for one in own["survivors"]:
                text = one["text"].replace("|", "\\|")
                yield f"| `{text}` | {one['change']} | {one.get('why', 'not yet looked at')} |"
            yield ""


def _tried(own: dict[str, Any]) -> str:
    return "all tried" if own["tried"] == own["mutants"] else f"{own['tried']} tried (a random choice)"


if __name__ == "__main__":
    main()

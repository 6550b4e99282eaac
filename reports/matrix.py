"""Run two packages together in many versions, and predict the same: python reports/matrix.py FOLDER [--predict-only]

FOLDER/matrix.toml says which; FOLDER/matrix.json gets, for each pair of versions, how both import orders ended, how
either package ended alone, and what a scan says. This runs the packages' own code, but with --predict-only, which keeps
what was observed. Environments are made one at a time and removed. FOLDER/matrix.md is made of it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from io import BytesIO
from pathlib import Path
from typing import Any

import predictions
from elftools.elf.elffile import ELFFile
from uv import find_uv_bin

from abiclash.facts.store import default_root
from abiclash.lab.environments import find_python
from abiclash.lab.investigate.edits import Symbols
from abiclash.lab.run import Limits, run_child


def outcome(python: str, beside: Path, code: str) -> str:
    """Return how a program ends: `works`, a signal, or the last line of its complaint."""
    with tempfile.TemporaryDirectory() as folder:
        run = run_child(
            [python, "-W", "ignore", "-c", code], Path(folder), environ={"PYTHONPATH": str(beside)}, limits=Limits(180)
        )
    if run.exit == 0:
        return "works"
    return run.signal or (run.stderr.strip().splitlines() or ["?"])[-1][:120].replace(str(beside), "")


def installed(requirements: list[str], python: str, folder: Path) -> bool:
    """Make an environment. Some dependencies of those years exist as source only, so building is allowed here."""
    uv = find_uv_bin()
    made = subprocess.run([uv, "venv", "-q", "--no-project", "--python", python, str(folder)], check=False)
    command = [uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"), *requirements]
    return made.returncode == 0 and subprocess.run(command, check=False).returncode == 0


def unpacked(requirement: str, python: str, folder: Path) -> bool:
    """Install one wheel without its dependencies into a folder."""
    command = [find_uv_bin(), "pip", "install", "-q", "--no-deps", "--only-binary", ":all:", "--python", python]
    return subprocess.run([*command, "--target", str(folder), requirement], check=False).returncode == 0


def traits(place: Path, symbols: list[str]) -> dict[str, object]:
    """Return what the files of a package say: its tag, who exports the symbols, which compilers were at work."""
    wheel = next(place.glob("*.dist-info/WHEEL")).read_text()
    exporters: dict[str, list[str]] = {}
    compilers: set[str] = set()
    for path in sorted(place.glob("*/lib*.so*")):
        data = path.read_bytes()
        section = ELFFile(BytesIO(data)).get_section_by_name(".comment")
        texts = section.data().split(b"\0") if section is not None else []
        compilers.update(text.decode() for text in texts if text)
        if found := sorted(Symbols(data, path.name).exports(symbols)):
            exporters[path.name] = found
    tags = [line.removeprefix("Tag: ") for line in wheel.splitlines() if line.startswith("Tag: ")]
    return {"tags": tags, "compilers": sorted(compilers), "exporters": exporters}


def table(wanted: dict[str, Any], found: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    one, other = wanted["columns"], wanted["rows"]
    a, b = f"import {one['package']}", f"import {other['package']}"
    lines = [f"How `{b}; {a}` ends (`{a}; {b}` in brackets where it does not work), CPython {found['python']}:", ""]
    columns = [version for version in one["versions"] if any(version in row for row in found["cells"].values())]
    lines.append(f"| {other['package']} | " + " | ".join(f"{one['package']} {version}" for version in columns) + " |")
    lines.append("|---" * (len(columns) + 1) + "|")
    for version in other["versions"]:
        row = found["cells"].get(version, {})
        cells = []
        for column in columns:
            cell = row.get(column)
            reverse = cell[f"{a}; {b}"] if cell else "works"
            cells.append("" if cell is None else cell[f"{b}; {a}"] + (f" ({reverse})" if reverse != "works" else ""))
        lines.append(f"| {version} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"What the files of {other['package']} say:",
        "",
        "| version | tag | compilers | exports |",
        "|---|---|---|---|",
    ]
    for version, told in found["traits"].items():
        exports = "; ".join(
            f"`{file}`: {', '.join(f'`{name}`' for name in names)}" for file, names in told["exporters"].items()
        )
        lines.append(
            f"| {version} | {', '.join(told['tags'])} | {'; '.join(told['compilers'])} | {exports or 'none'} |"
        )
    if "predicted" in found:
        lines += ["", *predictions.table(wanted, found["cells"], found["predicted"])]
    return "\n".join(lines).rstrip("\n") + "\n"


def main(folder: Path, *, run: bool) -> None:
    wanted: dict[str, Any] = tomllib.loads((folder / "matrix.toml").read_text())
    file = folder / "matrix.json"
    whole = observed(wanted, default_root() / "environments") if run else json.loads(file.read_text())
    whole["predicted"] = predictions.predict(wanted)
    file.write_text(json.dumps(whole, indent=1) + "\n")
    (folder / "matrix.md").write_text(table(wanted, whole))


def observed(wanted: dict[str, Any], cache: Path) -> dict[str, Any]:
    """Run all pairs, and look at the files of the rows' package."""
    python = find_python(wanted["python"])
    one, other = wanted["columns"], wanted["rows"]
    result: dict[str, dict[str, dict[str, str]]] = {}
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        for version in other["versions"]:
            unpacked(f"{other['package']}=={version}", python, Path(scratch, version))
        told = {version: traits(Path(scratch, version), wanted["symbols"]) for version in other["versions"]}
        for column in one["versions"]:
            environment = Path(scratch, "environment")
            if not installed([f"{one['package']}=={column}", *wanted["beside"]], python, environment):
                continue
            for version in other["versions"]:
                a, b = f"import {one['package']}", f"import {other['package']}"
                found = {
                    code: outcome(str(environment / "bin" / "python"), Path(scratch, version), code)
                    for code in sorted({f"{a}; {b}", f"{b}; {a}", a, b})
                }
                result.setdefault(version, {})[column] = found
                print(version, column, found, file=sys.stderr, flush=True)
            shutil.rmtree(environment)
    return {"python": wanted["python"], "traits": told, "cells": result}


if __name__ == "__main__":
    main(Path(sys.argv[1]), run="--predict-only" not in sys.argv[2:])

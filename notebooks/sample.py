"""Make the data of the notebooks: python notebooks/sample.py RUN CACHE CASES...

RUN: folder of a finished corpus run (see docs/corpora.md). CACHE: folder with the facts of its wheels and of those of
the cases (`--cache` of the scans); several may be given, joined by a colon. CASES: files of the gauntlet, one JSON
object a line. Writes notebooks/data/*.parquet. Nothing is downloaded, nothing foreign is run.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
from packaging.utils import canonicalize_name

from abiclash.facts.store import Store
from abiclash.sources.profiles import load_profile

if TYPE_CHECKING:
    from abiclash.facts.model import WheelFacts

DATA = Path(__file__).parent / "data"
STB_GLOBAL, STB_UNIQUE = 1, 10
_TAG = re.compile(r"manylinux_2_(\d+)_")
_OLD_TAGS = {"manylinux1_": 5, "manylinux2010_": 12, "manylinux2014_": 17}  # PEP 600
_GCC = re.compile(r"GCC: \([^)]*\) (\d+)[.]")
_GLIBC = re.compile(r"GLIBC_2[.](\d+)")


def runtime_names(host: str = "debian-12") -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Keys of what the host's libstdc++.so.6 defines."""
    profile = load_profile(host, "3.11")
    path = profile.realpath("/usr/lib/x86_64-linux-gnu/libstdc++.so.6")
    facts = profile.object(path) if path else None
    if facts is None:
        raise SystemExit(f"{host}: no libstdc++.so.6 in this profile")
    return facts.symbols.key[facts.symbols.shndx != 0]


def wheel_row(wheel: WheelFacts, group: str, runtime: np.ndarray[Any, np.dtype[np.uint64]]) -> dict[str, Any]:
    """One wheel: what its tags promise, what its files need, who built it, what of libstdc++ it exports.

    Numbers of glibc are the y of 2.y. tag_glibc: the oldest that the file name promises to work with. leaks:
    distinct names of libstdc++.so.6 that its objects define for everybody: strong functions and data (not the weak
    ones, which templates leave in every C++ library).
    """
    texts = {text for each in wheel.objects for text in each.producers}
    gcc = sorted(int(match[1]) for text in texts if (match := _GCC.search(text)))
    glibc = [int(m[1]) for o in wheel.objects for _, vs in o.needs for v in vs if (m := _GLIBC.fullmatch(v.name))]
    strong: set[int] = set()
    for each in wheel.objects:
        symbols, binding = each.symbols, each.symbols.info >> 4
        visible = (symbols.shndx != 0) & np.isin(symbols.other & 3, (0, 3)) & symbols.hashed
        leaked = visible & ((binding == STB_GLOBAL) | (binding == STB_UNIQUE)) & np.isin(symbols.key, runtime)
        own = (each.soname or "").startswith("libstdc++")  # a bundled libstdc++.so.6 is no leak of it
        strong |= set() if own else set(symbols.key[leaked & (binding != STB_UNIQUE)].tolist())
    tags = [
        *(int(number) for number in _TAG.findall(wheel.filename)),
        *(number for old, number in _OLD_TAGS.items() if old in wheel.filename),
    ]
    return {
        "wheel": wheel.filename,
        "name": wheel.name,
        "version": wheel.version,
        "sample": group,
        "objects": len(wheel.objects),
        "tag_glibc": min(tags, default=None),
        "needs_glibc": max(glibc, default=None),
        "gcc": max(gcc, default=None),
        "oldest_gcc": min(gcc, default=None),
        "clang": any("clang" in text for text in texts),
        "rust": any("rustc" in text for text in texts),
        "links_libstdcxx": any(n.startswith("libstdc++") for each in wheel.objects for n in each.needed),
        "static_libstdcxx": any(r.startswith("libstdc++") for each in wheel.objects for r in each.runtimes),
        "leaks": len(strong),
    }


def case_rows(files: list[Path]) -> list[dict[str, Any]]:
    """One row for each case of two or more packages with native code; the first two that it names are compared."""
    rows = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            named = {canonicalize_name(each.split("-")[0]): each for each in case.get("wheel_files", [])}
            asked = [canonicalize_name(re.split(r"[=<>!~]", each)[0]) for each in case["packages"]]
            wheels = [named[each] for each in asked if "none-any" not in named.get(each, "none-any")]
            if len(wheels) > 1:
                rows.append(
                    {
                        "id": case["id"],
                        "conflict": case["kind"] == "positive",
                        "mechanism": case.get("mechanism") or "",
                        "one": wheels[0],
                        "other": wheels[1],
                    }
                )
    return rows


def findings(run: Path) -> list[dict[str, Any]]:
    """The findings of the run, without their long texts."""
    rows = []
    for row in duckdb.sql(f"SELECT document FROM '{run}/findings.parquet' ORDER BY id").fetchall():
        found = json.loads(row[0])
        kept = {key: found[key] for key in ("id", "rule", "severity", "audience")}
        rows.append(kept | {"alone": sorted(found["alone"]), "pairs": [sorted(pair) for pair in found["pairs"]]})
    return rows


def write(name: str, rows: list[dict[str, Any]]) -> None:
    """Write rows as Parquet, in their order."""
    DATA.mkdir(exist_ok=True)
    draft = DATA / f"{name}.json"
    draft.write_text(json.dumps(rows), encoding="utf-8")
    query = f"SELECT * FROM read_json('{draft}', maximum_object_size=99999999, sample_size=-1)"
    duckdb.sql(f"COPY ({query}) TO '{DATA / name}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    draft.unlink()


def main(run: Path, caches: list[Path], files: list[Path]) -> None:
    """Write all tables."""
    runtime = runtime_names()
    stores = [Store(cache) for cache in caches]
    packages = duckdb.sql(
        f"SELECT rank, name, version, wheel, sha256, native FROM '{run}/packages.parquet' ORDER BY rank"
    )
    listed = [dict(zip(packages.columns, row, strict=True)) for row in packages.fetchall()]
    cases = case_rows(files)
    wanted = {row["sha256"]: "corpus" for row in listed}
    names = {name for case in cases for name in (case["one"], case["other"])}
    for cache in caches:
        found = {path.name: path.parent.name for path in sorted(cache.glob("wheels/*/*.whl"))}
        for name in sorted(names & found.keys()):
            wanted.setdefault(found[name], "gauntlet")
    wheels = []
    for digest, group in wanted.items():
        facts = next((facts for store in stores if (facts := store.get(digest))), None)
        if facts is not None and facts.objects:
            wheels.append(wheel_row(facts, group, runtime))
    have = {row["wheel"] for row in wheels}
    lost = sorted(names - have)
    print(f"{len(wheels)} wheels with native code; cases without facts of a wheel: {lost}")
    write("packages", listed)
    write("wheels", sorted(wheels, key=lambda row: (row["sample"], row["wheel"])))
    write("cases", [case for case in cases if {case["one"], case["other"]} <= have])
    write("findings", findings(run))
    pairs = duckdb.sql(f"SELECT one, other, contact, played, interferes FROM '{run}/pairs.parquet' ORDER BY ALL")
    write("pairs", [dict(zip(pairs.columns, row, strict=True)) for row in pairs.fetchall()])
    totals = json.loads((run / "run.json").read_text(encoding="utf-8"))
    kept = {key: totals[key] for key in ("corpus", "created", "variant")} | {"totals": totals["totals"]}
    (DATA / "run.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(part) for part in sys.argv[2].split(":")], [Path(name) for name in sys.argv[3:]])

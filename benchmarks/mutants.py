"""Mutation testing: change one operator of a module at a time, and see whether its tests notice.

python benchmarks/mutants.py [--seconds 1800] [--seed 0] [--again] [MODULE...]     MODULE as abiclash.linker.lookup

Each mutant is run in a child of this process, which has everything heavy imported already and meets the mutated source
instead of the file. The ledger, benchmarks/mutants.json, names the survivors; what stands there of why one survives is
kept, and docs/reliability.md shows it.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec
    from types import ModuleType

ROOT = Path(__file__).parents[1]
LEDGER = Path(__file__).parent / "mutants.json"
SECONDS = 120
TESTS = {
    "abiclash.linker.lookup": (
        "tests/linker/test_lookup_properties.py",  # the quick one first
        "tests/linker/test_check_match.py",
    ),
    "abiclash.rules.missing_version": ("tests/rules/test_missing_version.py",),
    "abiclash.rules.static_tls": ("tests/rules/test_static_tls.py",),
}
SWAPS: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, what was changed, source) of every mutant."""
    tree = ast.parse(source)
    unused = {id(one) for node in ast.walk(tree) for part in _annotations(node) for one in ast.walk(part)}
    for number, node in enumerate(ast.walk(tree)):
        for what, change in () if id(node) in unused else _changes(node):
            other = copy.deepcopy(tree)
            twin = next(one for place, one in enumerate(ast.walk(other)) if place == number)
            change(twin)
            yield getattr(node, "lineno", 0), what, ast.unparse(other)


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is never evaluated: annotations, and imports for type checkers."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        yield node
    for name in ("annotation", "returns"):
        if isinstance(part := getattr(node, name, None), ast.AST):
            yield part


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    match node:
        case ast.Compare(ops=ops):
            for place, operator in enumerate(ops):
                if (new := SWAPS.get(type(operator))) is not None:
                    yield _named(operator, new), lambda twin, place=place, new=new: twin.ops.__setitem__(place, new())
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) | ast.AugAssign(op=operator):
            if (new := SWAPS.get(type(operator))) is not None:
                yield _named(operator, new), lambda twin, new=new: setattr(twin, "op", new())
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            yield f"without {type(node.op).__name__}", _without
        case ast.Constant(value=bool() as value):
            yield f"{value} to {not value}", lambda twin: setattr(twin, "value", not twin.value)
        case ast.Constant(value=int() as value):
            yield f"{value} to {value + 1}", lambda twin: setattr(twin, "value", twin.value + 1)
        case ast.If() | ast.IfExp():
            yield "condition true", lambda twin: setattr(twin, "test", ast.Constant(value=True))
            yield "condition false", lambda twin: setattr(twin, "test", ast.Constant(value=False))


def _without(twin: Any) -> None:
    """Make `not x` an `x and x`, and `~x` an `x | x`."""
    operand, inverted = twin.operand, isinstance(twin.op, ast.Invert)
    twin.__class__ = ast.BinOp if inverted else ast.BoolOp
    twin.op = ast.BitOr() if inverted else ast.And()
    twin.left = twin.right = operand
    twin.values = [operand, operand]


def _named(old: ast.AST, new: type) -> str:
    return f"{type(old).__name__} to {new.__name__}"


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Gives one module other source."""

    def __init__(self, module: str, path: Path, source: str) -> None:
        self.module, self.path, self.source = module, path, source

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.module else None

    def get_data(self, path: str) -> bytes:  # noqa: ARG002
        return self.source.encode()

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return str(self.path)


class _Examples:
    """The same examples each time, without a search for the smallest that fails, however slow the machine is."""

    def __init__(self, count: int) -> None:
        self.count = count

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings  # noqa: PLC0415

        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("mutants", phases=phases, max_examples=self.count, deadline=None, derandomize=True)
        settings.load_profile("mutants")


def _survives(module: str, path: Path, source: str, examples: int) -> bool:
    """Run the tests of a module against a mutant, in a child."""
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        sys.dont_write_bytecode = True
        sys.meta_path.insert(0, _Mutated(module, path, source))
        import pytest  # noqa: PLC0415

        options = ["-x", "-q", "-p", "no:cacheprovider"]
        os._exit(int(pytest.main([*options, *TESTS[module]], plugins=[_Examples(examples)])))
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=list(TESTS))
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="only those that survived, after new tests")
    options = parser.parse_args()
    os.chdir(ROOT)
    import numpy  # noqa: F401, ICN001, PLC0415 - before the forks
    import pytest  # noqa: F401, PLC0415

    for module in options.modules:
        end = time.monotonic() + options.seconds / len(options.modules)
        path = ROOT / "src" / (module.replace(".", "/") + ".py")
        source = path.read_text("utf-8")
        examples = 400 if options.again else 60
        if not _survives(module, path, source, examples):
            sys.exit(f"{module}: its tests fail without any change")
        every = list(mutants(source))
        before, known = _known(module, source, len(every)) if options.again else (0, None)
        chosen = [one for one in every if known is None or one[:2] in known]
        random.Random(options.seed).shuffle(chosen)  # noqa: S311 - a sample, where the time is short
        tried, survivors = before - len(chosen) if options.again else 0, []
        for line, what, mutant in chosen:
            if time.monotonic() > end:
                break
            tried += 1
            if _survives(module, path, mutant, examples):
                text = source.splitlines()[line - 1].strip()
                survivors.append({"line": line, "change": what, "text": text})
                print(f"{module}:{line}: {what}: {text}", flush=True)
        _record(module, len(every), tried, survivors)


def _known(module: str, source: str, count: int) -> tuple[int, set[tuple[int, str]]]:
    """Return how many were tried of this very source, and (line, change) of the survivors."""
    own = json.loads(LEDGER.read_text("utf-8"))[module]
    lines = [line.strip() for line in source.splitlines()]
    if own["mutants"] != count or any(lines[one["line"] - 1] != one["text"] for one in own["survivors"]):
        sys.exit(f"{module}: it has changed since; try all of its mutants")
    return own["tried"], {(one["line"], one["change"]) for one in own["survivors"]}


def _record(module: str, mutants_in_all: int, tried: int, survivors: list[dict[str, object]]) -> None:
    ledger = json.loads(LEDGER.read_text("utf-8")) if LEDGER.is_file() else {}
    survivors.sort(key=lambda one: (one["line"], one["change"]))
    known = {
        (one["change"], one["text"]): one["why"] for one in ledger.get(module, {}).get("survivors", ()) if "why" in one
    }
    for one in survivors:
        if (why := known.get((one["change"], one["text"]))) is not None:
            one["why"] = why
    commit = subprocess.check_output(["git", "rev-parse", "--short=10", "HEAD"], cwd=ROOT, text=True).strip()
    ledger[module] = {"mutants": mutants_in_all, "tried": tried, "survivors": survivors, "commit": commit}
    LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{module}: {tried} of {mutants_in_all} mutants tried, {len(survivors)} survived", flush=True)


if __name__ == "__main__":
    main()

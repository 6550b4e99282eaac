"""The imports of a .pyx file that lies beside the extension module that Cython made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from abiclash.imports.values import LIKELY

if TYPE_CHECKING:
    from abiclash.imports.machine import Machine

_INCLUDE = re.compile(r"""include\s+["']([^"']+)["']""")
_IMPORT = re.compile(r"(?:import|cimport)\s+(.+)")
_FROM = re.compile(r"from\s+(\.*)([\w.]*)\s+c?import\s+(.+)")
_QUOTED = re.compile(r"\"\"\".*?\"\"\"|'''.*?'''", re.DOTALL)
_SKIPPED = re.compile(r"(?:@|(?:cdef|cpdef|def|class|async|ctypedef|for|while|with)\b)")


def pyx_imports(machine: Machine, path: str, name: str, depth: int = 0) -> list[tuple[str, int, str, int]]:
    """Return the imports at the top level of a .pyx file and of what it includes.

    A cimport of a module that exists as one imports it too: its types are looked up when the module is initialised.
    """
    tree_text = machine.read_text(path)
    if tree_text is None or depth > 8:
        return []
    found: list[tuple[str, int, str, int]] = []
    skipping = False
    lines = enumerate(_joined(tree_text), 1)
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not line[0].isspace():
            skipping = bool(_SKIPPED.match(text)) or (skipping and text[0] in "),:")
        if skipping:
            continue
        if match := _INCLUDE.match(text):
            found += pyx_imports(machine, f"{path.rpartition('/')[0]}/{match[1]}", name, depth + 1)
        found += [(target, LIKELY, path, number) for target in _targets(text, name)]
    return found


def _joined(text: str) -> list[str]:
    """Return lines with what stands in open brackets or after a backslash on one line (later lines are empty)."""
    lines: list[str] = []
    opened = 0
    start = -1
    for raw in _QUOTED.sub(lambda match: "\n" * match.group().count("\n"), text).splitlines():
        line = raw.split("#")[0].rstrip() if '"' not in raw and "'" not in raw else raw.rstrip()
        if start >= 0:
            lines[start] += " " + line.strip().rstrip("\\")
            lines.append("")
        else:
            lines.append(line.rstrip("\\"))
        opened += line.count("(") - line.count(")")
        continues = opened > 0 or line.endswith("\\")
        start = (start if start >= 0 else len(lines) - 1) if continues else -1
        opened = max(opened, 0)
    return lines


def _targets(text: str, name: str) -> list[str]:
    if match := _FROM.match(text):
        dots, module, names = match[1], match[2], match[3]
        if dots:
            parts = name.split(".")[: -len(dots)]
            module = ".".join([*parts, module] if module else parts)
        items = [item.split(" as ")[0].strip(" ()") for item in names.split(",")]
        return [module, *(f"{module}.{item}" for item in items if item.isidentifier())]
    if match := _IMPORT.match(text):
        return [item.split(" as ")[0].strip() for item in match[1].split(",")]
    return []

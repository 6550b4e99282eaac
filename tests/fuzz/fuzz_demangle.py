"""The demangler: names, one a line, go to the helper process; it may die, `demangle` must not."""

from __future__ import annotations

from abiclash.demangle import demangle, raw_text
from abiclash.reports.safe import name as shown_name
from tests.fuzz.target import Target


def run(raw: bytes) -> None:
    names = raw.split(b"\n")
    shown = demangle(names)
    assert shown.keys() == set(names)
    for name, text in shown.items():
        assert text or not name
        assert name.startswith(b"_Z") or text == raw_text(name)
        assert shown_name(text).isprintable()


TARGET = Target("demangle", run, 1 << 20)

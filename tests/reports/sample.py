"""Scan results to render: the case that started it, a clean pair, and a set full of hostile names."""

from __future__ import annotations

from dataclasses import replace

from abiclash.errors import NotAnalysed
from abiclash.rules.model import (
    Advice,
    Audience,
    Confidence,
    Coverage,
    Finding,
    Host,
    Outcome,
    PackageId,
    ScannedPackage,
    ScanResult,
    Severity,
    Verdict,
    fingerprint,
)

_PACKAGES = (PackageId("pyarrow", "0.13.0"), PackageId("tensorflow", "1.13.1"))
_OBJECTS = ("pyarrow/libarrow.so.13", "tensorflow/libtensorflow_framework.so", "/usr/lib/libstdc++.so.6.0.30")
_SYMBOLS = ("_ZSt11__once_call", "_ZSt15__once_callable")

SPLIT_STATE = Finding(
    id=fingerprint("split-state", [p.name for p in _PACKAGES], _SYMBOLS),
    rule="split-state",
    severity=Severity.ERROR,
    confidence=Confidence.CERTAIN,
    audience=Audience.USER,
    packages=_PACKAGES,
    failing_order=("pyarrow", "tensorflow"),
    safe_order=("tensorflow", "pyarrow"),
    objects=_OBJECTS,
    symbols=_SYMBOLS,
    summary="Importing pyarrow before tensorflow crashes the interpreter.",
    explanation="pyarrow brings its own copy of a variable of the C++ runtime, and the runtime, loaded for pyarrow, "
    "uses that copy.\n\ntensorflow then writes to the runtime's copy and asks the runtime to read the other one.",
    advice=(
        Advice("user", "Import tensorflow before pyarrow.", checked=True),
        Advice("maintainer of pyarrow", "Do not export the symbols of libstdc++_nonshared.a (-Wl,--exclude-libs,ALL)."),
    ),
    evidence={
        "bindings": [
            {"symbol": "_ZSt11__once_call", "from": _OBJECTS[2], "to": _OBJECTS[0], "alone": _OBJECTS[2]},
            {"symbol": "_ZSt11__once_call", "from": _OBJECTS[1], "to": _OBJECTS[2]},
        ],
        "call": {"symbol": "__once_proxy", "from": _OBJECTS[1], "to": _OBJECTS[2]},
        "initialisers": ["_GLOBAL__sub_I_a.cc", "_GLOBAL__sub_I_b.cc"],
        "captured_symbols": 1234,
        "stage": "import",
        "classes": [
            {
                "class": "std::once_flag",
                "replaced": [{"symbol": "_ZSt11__once_call", "size": 8}],
                "used": ["_ZSt15__once_callable", "a_function_of_a_long_name", "another_function_of_a_long_name"],
            }
        ],
    },
)
NOTE = Finding(
    id="duplicate-runtime-00000000",
    rule="duplicate-runtime",
    severity=Severity.NOTE,
    confidence=Confidence.LIKELY,
    audience=Audience.USER,
    packages=(PackageId("pyarrow", "0.13.0"),),
    summary="pyarrow has a private copy of libstdc++.",
    explanation="Only told at length when asked.",
    advice=(),
    symbols=tuple(f"_ZN5lib{i:02}3fooEv" for i in range(12)),
    silent=True,
)
HOST = Host("debian-12", "x86_64", "glibc", "2.36", "3.7")
COVERAGE = Coverage(168_035, 168_035, 160, 159, {"source": 40, "observed": 0, "string": 2})
CONFLICT = ScanResult(
    version="1.2.3",
    targets=("tensorflow==1.13.1", "pyarrow==0.13.0"),
    packages=(
        ScannedPackage(
            "tensorflow", "1.13.1", "tensorflow-1.13.1-cp37-cp37m-manylinux1_x86_64.whl", "ab" * 32, ("tensorflow",)
        ),
        ScannedPackage("pyarrow", "0.13.0", "pyarrow-0.13.0-cp37-cp37m-manylinux1_x86_64.whl", "cd" * 32, ("pyarrow",)),
    ),
    host=HOST,
    orders=(
        Verdict(("pyarrow", "tensorflow"), Outcome.CONFLICT, COVERAGE),
        Verdict(("tensorflow", "pyarrow"), Outcome.CLEAN, COVERAGE),
    ),
    findings=(NOTE, SPLIT_STATE),
    not_analysed=(NotAnalysed("pyarrow-0.13.0.whl!pyarrow/_flight.so", "truncated at byte 4096"),),
    coverage=COVERAGE,
)
CLEAN = replace(
    CONFLICT,
    targets=("numpy", "scipy"),
    packages=(ScannedPackage("numpy", "2.0.0"), ScannedPackage("scipy", "1.14.0")),
    orders=tuple(Verdict(order, Outcome.CLEAN, COVERAGE) for order in (("numpy", "scipy"), ("scipy", "numpy"))),
    findings=(),
    not_analysed=(),
)

HOSTILE = "evil\x1b]0;title\x07\x1b[31m\u202egnp.\u2066\x00\udcff\n<script>alert(1)</script>\"'|`"
LONG = "A" * 1_000_000
HOSTILE_RESULT = replace(
    CONFLICT,
    targets=(HOSTILE, LONG),
    packages=(ScannedPackage(HOSTILE, LONG, HOSTILE),),
    host=replace(HOST, profile=HOSTILE),
    orders=(Verdict((HOSTILE, LONG), Outcome.LOAD_FAILURE, COVERAGE),),
    findings=(
        replace(
            SPLIT_STATE,
            packages=(PackageId(HOSTILE, LONG),),
            failing_order=(HOSTILE,),
            safe_order=(LONG,),
            objects=(HOSTILE, LONG),
            symbols=(HOSTILE, LONG, "_Z" + LONG),
            summary=HOSTILE + LONG,
            explanation=HOSTILE + "\n\n" + LONG,
            advice=(Advice(HOSTILE, HOSTILE), Advice("user", LONG)),
            evidence={
                HOSTILE: {LONG: [HOSTILE, {HOSTILE: LONG}]},
                "bindings": [{"symbol": HOSTILE, "from": LONG, "to": HOSTILE, "alone": LONG}],
            },
        ),
    ),
    not_analysed=(NotAnalysed(HOSTILE, LONG), NotAnalysed(LONG, HOSTILE)),
)

"""Crash texts as programs print them, and what is made of them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abiclash.cli import app
from abiclash.rules.registry import rules
from abiclash.triage.causes import causes
from abiclash.triage.crash import MAX_TEXT, package, read
from abiclash.triage.messages import MESSAGES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder

FAULT = """\
Fatal Python error: Segmentation fault

Current thread 0x00007f3b2c1f4740 (most recent call first):
  File "<frozen importlib._bootstrap>", line 241 in _call_with_frames_removed
  File "/v/lib/python3.11/site-packages/tensorflow/python/pywrap_tensorflow.py", line 58 in <module>
  File "<frozen importlib._bootstrap>", line 1147 in _find_and_load_unlocked
  File "/v/lib/python3.11/site-packages/tensorflow/__init__.py", line 24 in <module>
  File "<string>", line 1 in <module>

Extension modules: numpy.core._multiarray_umath, pyarrow.lib, pyarrow._hdfs (total: 3)
Segmentation fault
"""
BACKTRACE = """\
Thread 1 "python" received signal SIGSEGV, Segmentation fault.
0x0000000000000000 in ?? ()
#0  0x0000000000000000 in ?? ()
#1  0x00007ffff7f9a5f7 in __pthread_once_slow (once_control=0x7ffff, init_routine=0x7fffe <__once_proxy>) at once.c:116
#2  0x00007fffd3c1 in std::call_once<void (&)()> () from /v/site-packages/tensorflow/libtensorflow_framework.so
#3  0x00007fffe in _dl_init () from /lib64/ld-linux-x86-64.so.2
"""


@pytest.mark.parametrize(
    ("text", "rule", "told"),
    [
        (
            "ImportError: /usr/lib/libstdc++.so.6: version `GLIBCXX_3.4.29' not found (required by /v/a/x.so)",
            "missing-version",
            {"object": "/usr/lib/libstdc++.so.6", "version": "GLIBCXX_3.4.29", "wanted": "/v/a/x.so"},
        ),
        (
            "ImportError: /v/site-packages/a/x.so: undefined symbol: _ZN3fooEv, version FOO_1",
            "soname-collision",
            {"object": "/v/site-packages/a/x.so", "symbol": "_ZN3fooEv", "version": "FOO_1"},
        ),
        (
            "python: symbol lookup error: /v/site-packages/a/x.so: undefined symbol: foo",
            "undefined-symbol",
            {"object": "/v/site-packages/a/x.so", "symbol": "foo"},
        ),
        (
            "ImportError: Error relocating /v/site-packages/a/x.so: foo: symbol not found",
            "undefined-symbol",
            {"object": "/v/site-packages/a/x.so", "symbol": "foo"},
        ),
        (
            "ImportError: libgomp-d22c30c5.so.1.0.0: cannot allocate memory in static TLS block",
            "static-tls",
            {"object": "libgomp-d22c30c5.so.1.0.0"},
        ),
        (
            "OSError: libtorch_cpu.so: cannot enable executable stack as shared object requires: Invalid argument",
            "executable-stack",
            {"object": "libtorch_cpu.so"},
        ),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "missing-library",
            {"object": "libGL.so.1"},
        ),
        (
            "Inconsistency detected by ld.so: dl-lookup.c: 111: check_match: Assertion `version->filename' failed!",
            "loader-abort",
            {"symbol": "dl-lookup.c"},
        ),
        ("RuntimeError: module compiled against API version 0xe but this version of numpy is 0xd", "python-abi", {}),
        ("ValueError: numpy.dtype size changed, may indicate binary incompatibility.", "python-abi", {}),
        ("A module that was compiled using NumPy 1.x cannot be run in", "python-abi", {}),
        (
            "[libprotobuf ERROR google/protobuf/descriptor_database.cc:58] File already exists in database: a.proto",
            "shared-registry",
            {},
        ),
        (
            'ImportError: generic_type: type "Tensor" is already registered!',
            "shared-registry",
            {"symbol": "Tensor"},
        ),
        (
            "OMP: Error #15: Initializing libiomp5.so, but found libomp.so.5 already initialized.",
            "duplicate-openmp",
            {},
        ),
        ("munmap_chunk(): invalid pointer", "size-mismatch", {}),
        ("terminate called after throwing an instance of 'std::bad_cast'", "unwinder", {}),
        ('qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in ""', "environment-path", {}),
    ],
)
def test_messages(text: str, rule: str, told: dict[str, str]) -> None:
    crash = read(f"Traceback (most recent call last):\n{text}\n")
    assert [(clue.line, clue.message.rules[0], dict(clue.told)) for clue in crash.clues] == [(2, rule, told)]
    assert "{" not in crash.clues[0].meaning + crash.clues[0].advice
    assert causes(crash)[0].rule == rule


def test_every_message_names_rules_that_exist() -> None:
    known = {entry.rule.id for entry in rules()}
    assert {rule for message in MESSAGES for rule in message.rules} <= known


def test_a_dump_of_faulthandler() -> None:
    crash = read(FAULT)
    assert crash.fatal == "Segmentation fault"
    assert crash.importing == ("tensorflow",)
    assert crash.loaded == ("numpy", "pyarrow")
    assert causes(crash)[0].rule == "split-state"


def test_a_backtrace_of_gdb() -> None:
    crash = read(BACKTRACE)
    assert crash.fatal == "SIGSEGV"
    assert crash.native[2].object.endswith("/libtensorflow_framework.so")
    assert crash.packages == ("tensorflow",)
    first = causes(crash)[0]
    assert first.rule == "split-state"
    assert "once" in first.because


def test_a_traceback_names_the_innermost_package_first() -> None:
    crash = read(
        'Traceback (most recent call last):\n  File "/v/site-packages/outer/__init__.py", line 3, in <module>\n'
        '    import inner\n  File "/v/site-packages/inner/__init__.py", line 1, in <module>\n'
        "ImportError: libx.so: undefined symbol: y\n"
    )
    assert crash.importing == ("inner", "outer")


@pytest.mark.parametrize(
    ("path", "top"),
    [
        ("/v/lib/python3.11/site-packages/numpy/core/x.so", "numpy"),
        ("/usr/lib/python3/dist-packages/yaml/_yaml.so", "yaml"),
        ("/v/site-packages/numpy.libs/libgfortran-1.so", "numpy"),
        ("/v/site-packages/_cffi_backend.cpython-311-x86_64-linux-gnu.so", "_cffi_backend"),
        ("/v/site-packages/six.py", "six"),
        ("/usr/lib/libstdc++.so.6", None),
    ],
)
def test_owners_of_files(path: str, top: str | None) -> None:
    assert package(path) == top


@pytest.mark.compiler
def test_what_this_dynamic_linker_really_says(builder: Builder) -> None:
    broken = builder.library("libbroken.so", "int absent(void); int f(void) { return absent(); }")
    program = f"import ctypes, os; ctypes.CDLL({str(broken)!r}, mode=os.RTLD_NOW)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stderr
    (clue,) = read(said).clues
    assert clue.message.rules[0] == "undefined-symbol"
    assert dict(clue.told)["symbol"] == "absent"
    crashed = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", "import ctypes; ctypes.string_at(0)"],
        capture_output=True,
        text=True,
        check=False,
    ).stderr
    assert read(crashed).fatal == "Segmentation fault"


@pytest.mark.parametrize(
    ("text", "status", "shown"),
    [(FAULT, 0, "1. split-state: "), ("all is well\n", 3, "Nothing in this text"), ("", 3, "Nothing in this text")],
)
def test_the_command(
    text: str, status: int, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert app.run(["triage"]) == status
    assert shown in capsys.readouterr().out


def test_the_command_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "crash.txt"
    file.write_text(BACKTRACE)
    assert app.run(["triage", str(file), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "urn:abiclash:triage:1"
    assert document["causes"][0]["rule"] == "split-state"
    assert app.run(["triage", str(tmp_path / "absent")]) == 2
    assert "absent: cannot be read: No such file" in capsys.readouterr().err


@given(st.text(max_size=400))
def test_any_text_is_taken(text: str) -> None:
    causes(read(text))


def test_hostile_text_takes_bounded_time_and_stays_inert(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "crash.txt"
    long = "A" * 200_000
    file.write_text(
        f"\x1b[31m{long}: undefined symbol: \x1b]0;x\x07{long}\n" * 20 + '  File "' * 10_000 + "#1 " * MAX_TEXT
    )
    app.run(["triage", str(file)])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "unit", ["a", "lib", "/site-packages/", "a:", ": version `", "x: undefined symbol: ", "numpy."]
)
def test_long_words_take_linear_time(unit: str) -> None:
    """A line that a pattern begins anew at each letter of took 3 s; a text may have four hundred of them."""
    began = time.process_time()
    read(unit * (10_000 // len(unit)) + "\n")
    assert time.process_time() - began < 0.5

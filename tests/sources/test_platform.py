from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, sys_tags

from abiclash.errors import UsageError
from abiclash.sources.platform import MACHINES, Platform, Python, Runtime


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("manylinux_2_28_x86_64", Platform("x86_64", "glibc", (2, 28))),
        ("manylinux2014_aarch64", Platform("aarch64", "glibc", (2, 17))),
        ("manylinux2010_i686", Platform("i686", "glibc", (2, 12))),
        ("manylinux1_x86_64", Platform("x86_64", "glibc", (2, 5))),
        ("musllinux_1_2_aarch64", Platform("aarch64", "musl", (1, 2))),
        ("manylinux_2_31_armv7l", Platform("armv7l", "glibc", (2, 31))),
        ("MANYLINUX_2_17_amd64", Platform("x86_64", "glibc", (2, 17))),
        ("manylinux-2-17-x86-64", Platform("x86_64", "glibc", (2, 17))),
        ("manylinux_2_39_riscv64", Platform("riscv64", "glibc", (2, 39))),
    ],
)
def test_forms_of_a_platform(text: str, platform: Platform) -> None:
    assert Platform.parse(text) == platform


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_alone_is_like_this_machine(machine: str) -> None:
    named, running = Platform.parse(machine), Platform.running()
    assert (named.machine, named.libc) == (machine, running.libc)
    assert named == Platform.parse(f"linux_{machine}")
    assert named.version >= running.version


@given(st.sampled_from(MACHINES), st.integers(5, 45))
def test_a_tag_names_its_own_platform(machine: str, minor: int) -> None:
    platform = Platform(machine, "glibc", (2, minor))
    assert Platform.parse(platform.tag) == platform


@pytest.mark.parametrize("text", ["win_amd64", "macosx_11_0_arm64", "sparc", "", "linux_sparc", "manylinux_3_1_x86_64"])
def test_what_is_no_linux_platform_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match=f"platform {re.escape(repr(text))}: "):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "python"),
    [("3.11", Python(11)), ("3.7.17", Python(7, 17)), ("3.13t", Python(13, threaded=True)), ("cp3.6", Python(6))],
)
def test_forms_of_a_python(text: str, python: Python) -> None:
    assert Python.parse(text) == python


@pytest.mark.parametrize("text", ["2.7", "3", "3.5", "python3", "3.11.x", "", "4.0", "pypy3.10"])
def test_what_is_no_python_is_said_to_be_none(text: str) -> None:
    with pytest.raises(UsageError, match="not a CPython version"):
        Python.parse(text)


def test_tags_of_the_running_interpreter() -> None:
    assert list(Runtime(Python.running(), Platform.running()).tags) == list(sys_tags())


@pytest.mark.parametrize(
    ("python", "platform", "taken", "refused"),
    [
        ("3.7", "manylinux2014_x86_64", "cp37-cp37m-manylinux1_x86_64", "cp37-cp37-manylinux1_x86_64"),
        ("3.6", "manylinux1_x86_64", "cp36-cp36m-linux_x86_64", "cp36-cp36m-manylinux2010_x86_64"),
        ("3.12", "manylinux_2_28_x86_64", "cp38-abi3-manylinux_2_5_x86_64", "cp313-cp313-manylinux_2_28_x86_64"),
        ("3.12", "manylinux_2_28_aarch64", "cp312-cp312-manylinux2014_aarch64", "cp312-cp312-manylinux2010_aarch64"),
        ("3.13t", "x86_64", "cp313-cp313t-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_x86_64"),
        ("3.12", "musllinux_1_2_x86_64", "cp312-cp312-musllinux_1_1_x86_64", "cp312-cp312-manylinux_2_17_x86_64"),
        ("3.12", "s390x", "py2.py3-none-any", "cp312-cp312-win_amd64"),
    ],
)
def test_which_wheels_a_runtime_takes(python: str, platform: str, taken: str, refused: str) -> None:
    tags = Runtime(Python.parse(python), Platform.parse(platform)).tags
    assert _tag(taken) in tags
    assert _tag(refused) not in tags


def test_newer_and_more_special_tags_come_first() -> None:
    tags = Runtime(Python(7), Platform("x86_64", "glibc", (2, 17))).tags
    ranked = ["cp37-cp37m-manylinux_2_17_x86_64", "cp37-cp37m-manylinux1_x86_64", "cp37-abi3-manylinux1_x86_64"]
    places = [tags.index(_tag(text)) for text in [*ranked, "py3-none-any"]]
    assert places == sorted(places)


def test_markers_are_those_of_the_target() -> None:
    markers = Runtime(Python(7, 17), Platform.parse("musllinux_1_2_i686")).markers
    assert markers["python_version"] == "3.7"
    assert markers["python_full_version"] == "3.7.17"
    assert (markers["platform_machine"], markers["sys_platform"]) == ("i686", "linux")


def _tag(text: str) -> Tag:
    interpreter, abi, platform = text.split("-")
    return Tag(interpreter.rpartition(".")[2], abi, platform)

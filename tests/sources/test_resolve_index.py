"""Resolution with the real package index, through whatever pip and uv are configured with here."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.sources.resolve import Options, resolve
from abiclash.sources.target import parse_target
from tests.support.require import cache_folder, missing

if TYPE_CHECKING:
    from pathlib import Path

    from abiclash.sources.resolution import Resolution

pytestmark = pytest.mark.index


@functools.cache
def _reachable() -> str:
    """Return why the index cannot be asked, or ""."""
    try:
        resolve([parse_target("six==1.16.0")], "3.11", "manylinux2014_x86_64", Options(cache_folder("index")))
    except SourceError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _index() -> None:
    if reason := _reachable():
        missing("index", f"needs the package index: {reason}")


def scan(cache: Path, *targets: str, python: str, platform: str = "manylinux_2_28_x86_64") -> Resolution:
    return resolve([parse_target(target) for target in targets], python, platform, Options(cache))


def error(cache: Path, *targets: str, python: str, platform: str = "manylinux_2_28_x86_64") -> str:
    with pytest.raises(SourceError) as caught:
        scan(cache, *targets, python=python, platform=platform)
    return str(caught.value)


def test_the_pair_of_2019(tmp_path: Path) -> None:
    found = scan(tmp_path, "tensorflow==1.13.1", "pyarrow==0.13.0", python="3.7")
    packages = {package.name: package for package in found.packages}
    assert packages["tensorflow"].filename == "tensorflow-1.13.1-cp37-cp37m-manylinux1_x86_64.whl"
    assert packages["pyarrow"].filename == "pyarrow-0.13.0-cp37-cp37m-manylinux1_x86_64.whl"
    assert packages["numpy"].version == "1.21.6"  # the last for Python 3.7
    assert packages["protobuf"].version == "4.24.4"
    assert {name for name, package in packages.items() if package.requested} == {"tensorflow", "pyarrow"}
    assert all(package.sha256 and len(package.sha256) == 64 for package in found.packages)
    assert len(packages) == 23
    assert found.not_analysed == ()


def test_an_answer_is_kept(tmp_path: Path) -> None:
    first = scan(tmp_path, "numpy", "scipy", python="3.12")
    started = time.perf_counter()
    assert scan(tmp_path, "numpy", "scipy", python="3.12") == first
    assert time.perf_counter() - started < 0.5
    assert {package.name for package in first.packages} == {"numpy", "scipy"}


@pytest.mark.parametrize(
    ("platform", "filename"),
    [
        ("manylinux2014_aarch64", "cffi-1.17.1-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"),
        ("manylinux_2_24_x86_64", "cffi-1.17.1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
        ("musllinux_1_1_x86_64", "cffi-1.17.1-cp311-cp311-musllinux_1_1_x86_64.whl"),
        ("manylinux2014_s390x", "cffi-1.17.1-cp311-cp311-manylinux_2_17_s390x.manylinux2014_s390x.whl"),
        ("manylinux2014_ppc64le", "cffi-1.17.1-cp311-cp311-manylinux_2_17_ppc64le.manylinux2014_ppc64le.whl"),
    ],
)
def test_platforms(tmp_path: Path, platform: str, filename: str) -> None:
    found = scan(tmp_path, "cffi==1.17.1", python="3.11", platform=platform)
    assert next(package.filename for package in found.packages if package.name == "cffi") == filename


def test_an_old_platform_gets_an_older_version(tmp_path: Path) -> None:
    (numpy,) = scan(tmp_path, "numpy", python="3.7", platform="manylinux1_x86_64").packages
    assert (numpy.version, "manylinux1_x86_64" in numpy.filename) == ("1.21.3", True)


def test_a_free_threaded_python(tmp_path: Path) -> None:
    (numpy,) = scan(tmp_path, "numpy==2.2.0", python="3.13t").packages
    assert "-cp313-cp313t-manylinux" in numpy.filename


def test_only_a_source_distribution(tmp_path: Path) -> None:
    assert error(tmp_path, "docopt==0.6.2", python="3.11").startswith(
        "docopt==0.6.2: only a source distribution exists"
    )
    needs_38 = error(tmp_path, "socketify==0.0.28", python="3.12")
    assert needs_38.startswith("socketify==0.0.28: only a source distribution exists")
    found = scan(tmp_path, "num2words==0.5.12", python="3.11")
    assert [package.name for package in found.packages] == ["num2words"]
    assert [problem.what for problem in found.not_analysed] == ["docopt (a dependency)"]


@pytest.mark.parametrize(
    ("target", "python", "words"),
    [
        ("no-such-project-of-abiclash-tests", "3.11", ": no such project in the package index"),
        ("numpy==99", "3.11", ": the package index has no such version"),
        ("pyarrow==0.13.0", "3.11", "; its wheels are for cp36-cp36m, cp37-cp37m: choose another --python"),
        ("numpy==2.0.0", "3.7", "; its wheels are for cp3"),
        ("pywin32==306", "3.11", "; its wheels are for Windows: choose another --platform"),
    ],
)
def test_what_cannot_be_had_is_told_with_its_reason(tmp_path: Path, target: str, python: str, words: str) -> None:
    message = error(tmp_path, target, python=python)
    assert message.startswith(target)
    assert words in message
    assert [package.name for package in scan(tmp_path, target, "six", python=python).packages] == ["six"]


def test_requirements_that_exclude_each_other(tmp_path: Path) -> None:
    message = error(tmp_path, "numpy<1.26", "scipy==1.17.0", python="3.11")
    assert (
        "cannot be installed together: scipy==1.17.0 depends on numpy>=1.26.4,<2.7 and you require numpy<1.26"
        in message
    )

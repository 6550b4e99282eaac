from __future__ import annotations

from pathlib import Path

import pytest

from abiclash.errors import UsageError
from abiclash.sources.target import (
    EnvironmentTarget,
    FolderTarget,
    LockTarget,
    ObjectTarget,
    RequirementsTarget,
    RequirementTarget,
    WheelTarget,
    environment_target,
    parse_target,
    requirements_target,
)
from tests.support import make_wheel

WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [
        ("tensorflow==1.13.1", "tensorflow", "tensorflow==1.13.1"),
        (" Flask_Login ", "flask-login", "Flask_Login"),
        ("demo[a,b]>=1,<2", "demo", "demo[a,b]<2,>=1"),
        ('demo; python_version < "3"', "demo", 'demo; python_version < "3"'),
        ("demo @ https://host/demo-1.0-py3-none-any.whl", "demo", "demo @ https://host/demo-1.0-py3-none-any.whl"),
        (
            "https://host/x/Demo_X-1.0-py3-none-any.whl?t=1",
            "demo-x",
            "demo-x @ https://host/x/Demo_X-1.0-py3-none-any.whl?t=1",
        ),
    ],
)
def test_requirements(text: str, name: str, line: str) -> None:
    target = parse_target(text)
    assert isinstance(target, RequirementTarget)
    assert (target.name, target.line) == (name, line)


def test_credentials_are_for_uv_only() -> None:
    target = parse_target("demo @ https://me:secret@host/demo-1.0-py3-none-any.whl")
    assert isinstance(target, RequirementTarget)
    assert "me:secret" in target.line
    assert "secret" not in target.text


def test_files_and_folders(here: Path) -> None:
    make_wheel(here / "house", {}, tag="py3-none-any")
    for name in ("pylock.toml", "pylock.dev.toml", "uv.lock", "poetry.lock", "needs.txt"):
        (here / name).write_text("")
    (here / "x.so.1").write_bytes(b"\x7fELF...")
    texts = ["house", "./house", f"house/{WHEEL}", f"house/{WHEEL}[a]", "pylock.toml", "pylock.dev.toml", "uv.lock"]
    found = {text: type(parse_target(text)) for text in [*texts, "poetry.lock", "needs.txt", "x.so.1", "./x.so.1"]}
    assert list(found.values()) == [FolderTarget] * 2 + [WheelTarget] * 2 + [LockTarget] * 4 + [
        RequirementsTarget,
        ObjectTarget,
        ObjectTarget,
    ]


def test_a_path_after_at_is_made_absolute(here: Path) -> None:
    wheel = make_wheel(here, {}, tag="py3-none-any")
    for text in (f"demo @ {wheel.name}", f"demo @ {wheel.as_uri()}"):
        target = parse_target(text)
        assert isinstance(target, RequirementTarget)
        assert target.line == f"demo @ {wheel.as_uri()}"


def test_a_plain_folder_does_not_hide_the_project_of_its_name(here: Path) -> None:
    (here / "numpy").mkdir()
    assert isinstance(parse_target("numpy"), RequirementTarget)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty target"),
        ("nosuch/file", "nosuch/file: no such file or folder"),
        ("nosuch-1.0-py3-none-any.whl", "no such file or folder"),
        ("requirements.txt", "requirements.txt: no such file or folder"),
        ("libx.so.1", "libx.so.1: no such file or folder"),
        ("demo-1.0.tar.gz", "a source distribution, not a wheel; abiclash analyses wheels and builds nothing"),
        ("numpy => 3", "neither a file nor a requirement"),
        ("git+https://u:secret@host/x", "git+https://host/x: the URL is not that of a wheel"),
        ("demo @ git+https://host/x", "the URL is not that of a wheel"),
        ("demo @ https://host/demo-1.0.tar.gz", "the URL is not that of a wheel"),
        ("demo @ nosuch-1-py3-none-any.whl", "no such file or folder"),
        ("./tree", "a source tree"),
        ("./empty", "no wheel (*.whl) in this folder"),
        ("./venv", "an installed environment; name it with --env ./venv"),
        ("./text", "neither a wheel, a lock file"),
        ("./broken", "a broken symbolic link"),
        ("renamed.whl", "not the file name of a wheel"),
    ],
)
def test_what_is_no_target_is_said_to_be_none(here: Path, text: str, words: str) -> None:
    for folder in ("tree", "empty", "venv"):
        (here / folder).mkdir()
    for file in ("tree/pyproject.toml", "venv/pyvenv.cfg", "text", "renamed.whl"):
        (here / file).write_text("x")
    (here / "broken").symlink_to("nowhere")
    with pytest.raises(UsageError) as caught:
        parse_target(text)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_environments(here: Path) -> None:
    (here / "venv").mkdir()
    (here / "venv/pyvenv.cfg").write_text("version = 3.11.2\n")
    (here / "prefix/lib/python3.11/site-packages").mkdir(parents=True)
    for text in ("venv", "prefix"):
        assert environment_target(text) == EnvironmentTarget(text, Path(text))
    with pytest.raises(UsageError, match="--env nosuch: no such file or folder"):
        environment_target("nosuch")
    with pytest.raises(UsageError, match=r"--env \.: not a Python environment"):
        environment_target(".")


def test_a_requirements_file_must_be_there() -> None:
    with pytest.raises(UsageError, match=r"-r none\.txt: no such file or folder"):
        requirements_target("none.txt")


def test_a_long_requirement_is_no_file_name() -> None:
    text = "numpy" + "".join(f", !=1.{number}" for number in range(100)).removeprefix(",")
    target = parse_target(text)
    assert isinstance(target, RequirementTarget)
    assert target.name == "numpy"


@pytest.mark.parametrize("text", ["~nobody-at-all/x.whl", "./" + "n" * 300, "n" * 300 + ".whl", "./a\0b"])
def test_names_that_no_file_can_have(text: str) -> None:
    with pytest.raises(UsageError, match=r"not the name of a file|no such file"):
        parse_target(text)

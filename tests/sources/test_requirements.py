from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.sources.requirements import Requirements
from abiclash.sources.target import RequirementTarget, WheelTarget
from tests.support import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, text: str) -> Requirements:
    path.write_text(text)
    requirements = Requirements()
    requirements.read(path)
    return requirements


def lines(requirements: Requirements) -> list[str]:
    return [target.line for target in requirements.targets if isinstance(target, RequirementTarget)]


def test_lines_comments_continuations_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANTED", "2.0")
    text = "# one\n\nsix # two\nnumpy \\\n  == ${WANTED}\nx#y @ https://h/x-1-py3-none-any.whl\nflask ; \\\n# inside\n"
    found = read(tmp_path / "r.txt", text)
    assert lines(found) == ["six", "numpy==2.0"]
    assert [problem.what for problem in found.not_analysed] == [f"{tmp_path}/r.txt:6", f"{tmp_path}/r.txt:7"]


def test_hashes_belong_to_their_requirement(tmp_path: Path) -> None:
    found = read(
        tmp_path / "r.txt", f"six==1.0 --hash=sha256:{'A' * 64} \\\n --hash sha256:{'b' * 64} --hash=md5:0\nx\n"
    )
    assert [target.hashes for target in found.targets if isinstance(target, RequirementTarget)] == [
        {"a" * 64, "b" * 64},
        set(),
    ]


def test_other_files_are_read_beside_the_one_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/more.txt").write_text("b\n-r more.txt\n-c ../limits.txt\n--find-links house\n")
    (tmp_path / "limits.txt").write_text("a<2\nc<3 --hash=sha256:00\n")
    found = read(tmp_path / "r.txt", "a\n-rsub/more.txt\n")
    assert lines(found) == ["a", "b"]
    assert found.constraints == ["a<2", "c<3"]
    assert found.settings == [("find-links", str(tmp_path / "sub/house"))]
    assert len(found.files) == 3


def test_options_of_the_index(tmp_path: Path) -> None:
    text = "--index-url https://a/simple\n--extra-index-url=https://b/simple\n-f https://c\n--pre\n--no-binary :all:\n"
    assert read(tmp_path / "r.txt", text).settings == [
        ("index-url", "https://a/simple"),
        ("extra-index-url", "https://b/simple"),
        ("find-links", "https://c"),
        ("pre", ""),
    ]


def test_wheels_beside_the_file(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, {}, tag="py3-none-any")
    found = read(tmp_path / "r.txt", f"./{wheel.name}\n")
    assert [target.path for target in found.targets if isinstance(target, WheelTarget)] == [wheel]


def test_a_line_that_is_no_wheel_does_not_lose_the_others(tmp_path: Path) -> None:
    found = read(tmp_path / "r.txt", "-e .\nsix\ngit+https://me:secret@host/x\n./nosuch/dir\n")
    assert lines(found) == ["six"]
    assert [problem.what.rpartition(":")[2] for problem in found.not_analysed] == ["1", "3", "4"]
    assert "secret" not in str(found.not_analysed)


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"\xff\xfe", "not a UTF-8 text")])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "other.txt").write_bytes(content)
    with pytest.raises(SourceError, match=rf"other\.txt: cannot be read: {words}"):
        read(tmp_path / "r.txt", "-r other.txt")


def test_names_that_no_file_can_have_cost_their_line_only(tmp_path: Path) -> None:
    text = f"{'n' * 5000}.whl\n~nobody-at-all/x.whl\n-r {'n' * 300}\nsix==1 --hash='sha256:0\nhttps://[[/x-1-py3-none-any.whl\nflask\n"
    found = read(tmp_path / "r.txt", text)
    assert lines(found) == ["flask"]
    assert [problem.what for problem in found.not_analysed] == [f"{tmp_path}/r.txt:{line}" for line in range(1, 6)]

"""Corpora as they are written down, and pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from abiclash.cli import app
from abiclash.corpus import lock as locks
from abiclash.corpus import manifest
from abiclash.errors import SourceError, UsageError
from abiclash.sources.resolve import Options
from tests.corpus.small import VARIANT

if TYPE_CHECKING:
    from tests.corpus.small import Index

MINIMAL = """
name = "mine"
title = "Mine"
source = "nowhere"
python = ["3.11", "3.12"]
platforms = ["manylinux_2_36_x86_64"]
hosts = ["debian-12"]
"""


def written(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return str(path)


def test_every_shipped_corpus_can_be_read() -> None:
    names = manifest.names()
    assert {
        "popular",
        "popular-native",
        "ml-stack",
        "scientific",
        "databases",
        "gui",
        "history-2019",
        "history-2021",
    } <= set(names)
    for name in names:
        assert manifest.load(name).name == name
    popular = manifest.load("popular-native")
    assert len(popular.packages) >= 300
    assert {variant.python for variant in popular.variants} == {"3.11", "3.12"}
    old = manifest.load("history-2019")
    assert old.variant().python == "3.7"
    assert all("==" in requirement for requirement in old.packages)


def test_popular_packages_stand_in_the_order_of_their_ranks() -> None:
    text = (Path(__file__).parents[2] / "corpora" / "popular-native.toml").read_text()
    ranks = [int(rank) for rank in re.findall(r'^  "[^"]+", # (\d+)$', text, re.MULTILINE)]
    assert len(ranks) == len(manifest.load("popular-native").packages)
    assert ranks == sorted(ranks)


def test_a_query_takes_packages_of_other_corpora_once(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL + 'packages = ["a", "b==1"]\n')
    found = manifest.load(
        written(tmp_path, MINIMAL + 'packages = ["c", "A"]\nquery = {of = ["mine"], first = 2}\n', "two")
    )
    assert found.packages == ("c", "A", "b==1")
    assert found.limited(1).packages == ("c",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name = 1 1", "not a corpus"),
        (MINIMAL, "names no packages"),
        (MINIMAL + 'packages = ["a"]\nplatform = "x"\n', "unknown key 'platform'"),
        (MINIMAL + 'packages = ["not a requirement"]\n', "is not a requirement"),
        (MINIMAL + 'packages = ["a"]\norders = "some"\n', "orders is one of"),
        (MINIMAL.replace('"debian-12"', '"debian-12", "x"') + 'packages = ["a"]\n', "one host for each platform"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_in_words(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=reason):
        manifest.load(written(tmp_path, text))


def test_unknown_names_and_pythons_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="popular-native"):
        manifest.load("unpopular")
    with pytest.raises(UsageError, match=r"it is for 3\.11, 3\.12"):
        manifest.load(written(tmp_path, MINIMAL + 'packages = ["a"]\n')).variant("3.9")


@pytest.mark.compiler
def test_a_lock_pins_files_and_hashes_and_says_what_cannot_be_had(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "UV_DEFAULT_INDEX": f"{index.url}/simple/",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_CONFIG": "1",
    }.items():
        monkeypatch.setenv(name, value)
    text = MINIMAL + 'packages = ["delta", "gamma", "nowhere"]\n'
    corpus = manifest.load(written(tmp_path, text))
    made = locks.make_lock(corpus, corpus.variant(), Options(tmp_path / "cache"), created="2026-01-01")
    names = {root.name: [made.files[file].name for file in root.files] for root in made.roots}
    assert names == {"delta": ["delta", "alpha"], "gamma": ["gamma"], "nowhere": []}
    assert "nowhere" in made.roots[2].problem
    assert locks.parse(locks.render(made)) == made
    assert locks.render(locks.parse(locks.render(made))) == locks.render(made)
    assert [root.name for root in made.limited(1).roots] == ["delta"]
    bound = locks.make_lock(
        corpus, corpus.variant(), Options(tmp_path / "cache"), constraints=["alpha>1"], created="2026-01-01"
    )
    assert "alpha" in bound.roots[0].problem
    own = manifest.load(written(tmp_path, text + 'constraints = ["alpha>1"]\n'))
    assert locks.make_lock(own, own.variant(), Options(tmp_path / "cache"), created="2026-01-01").roots == bound.roots


def test_a_lock_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text('{"lock": 0}')
    with pytest.raises(SourceError, match="make it anew"):
        locks.read(path)


def test_commands_list_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["corpus", "list"]) == 0
    assert "history-2019" in capsys.readouterr().out
    assert app.run(["corpus", "show", "history-2019"]) == 0
    assert "tensorflow==1.13.1" in capsys.readouterr().out
    assert app.run(["corpus", "show", "nothing"]) == 2


def test_variant_in_addresses() -> None:
    assert VARIANT.slug == "cp311-manylinux_2_36_x86_64-debian-12"


def test_corpora_that_take_packages_of_each_other(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL + '[query]\nof = ["mine"]\n', "other")
    path = written(tmp_path, MINIMAL + '[query]\nof = ["other"]\n')
    with pytest.raises(SourceError, match=r"mine.toml: not a corpus: it takes packages of itself"):
        manifest.load(path)

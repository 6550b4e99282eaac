from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError
from abiclash.sources import pipconfig, uvconfig
from abiclash.sources.pipconfig import PipSettings
from abiclash.sources.uvconfig import IndexSettings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return an environment without any configuration."""
    monkeypatch.chdir(tmp_path)
    for module in (pipconfig, uvconfig):
        monkeypatch.setattr(module, "SYSTEM", tmp_path / "etc")
    for variable in os.environ:
        if variable.startswith(("PIP_", "UV_", "XDG_")):
            monkeypatch.delenv(variable)
    places = {"HOME": "home", "VIRTUAL_ENV": "venv", "XDG_CONFIG_DIRS": "xdg", "XDG_CONFIG_HOME": "config"}
    for variable, folder in places.items():
        (tmp_path / folder).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / folder))
    return {variable: str(tmp_path / folder) for variable, folder in places.items()}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_later_files_replace_earlier_ones(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://shared\nproxy = http://shared\n")
    write(tmp_path / "home/.pip/pip.conf", "[global]\nindex_url = https://old\nfind-links = a\n  b\n")
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://user\ntrusted-host = one two\n")
    write(tmp_path / "venv/pip.conf", "[install]\nextra-index-url = https://x https://y\n[freeze]\ntimeout = 3\n")
    assert PipSettings.load(home) == PipSettings(
        index_url="https://user",
        extra_index_urls=("https://x", "https://y"),
        find_links=("a", "b"),
        proxy="http://shared",
        trusted_hosts=("one", "two"),
    )


def test_variables_replace_files_and_the_named_file_the_others(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\ntimeout = 10\ncert = /user.pem\nno-index = true\n")
    write(tmp_path / "own.conf", "[global]\ncert = /own.pem\n")
    environ = home | {"PIP_CONFIG_FILE": str(tmp_path / "own.conf"), "PIP_DEFAULT_TIMEOUT": "99", "PIP_NO_INDEX": "0"}
    found = PipSettings.load(environ)
    assert (found.cert, found.no_index) == ("/own.pem", False)
    assert found.timeout == 10.0
    assert PipSettings.load({**environ, "PIP_TIMEOUT": "99"}).timeout == 99.0


def test_dev_null_turns_files_off(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://user\n")
    assert PipSettings.load(home | {"PIP_CONFIG_FILE": os.devnull}) == PipSettings()


def test_a_broken_file_is_named(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "venv/pip.conf", "index-url = https://a\n")
    with pytest.raises(SourceError, match=rf"{re.escape(str(tmp_path))}/venv/pip\.conf: cannot be read"):
        PipSettings.load(home)


def test_uv_is_told_of_pips_settings(tmp_path: Path, home: dict[str, str]) -> None:
    (tmp_path / "links").mkdir()
    write(
        tmp_path / "config/pip/pip.conf",
        "[global]\nindex-url = https://me:pw@a/simple\nextra-index-url = file:///b\nfind-links = links gone\n"
        "cert = /c.pem\nproxy = http://p\ntimeout = 30\ntrusted-host = h\nkeyring-provider = subprocess\n",
    )
    told = IndexSettings.load(environ=home).environment(home)
    assert {name: value for name, value in told.items() if name not in home} == {
        "UV_DEFAULT_INDEX": "https://me:pw@a/simple",
        "UV_INDEX": "file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "links",
        "SSL_CERT_FILE": "/c.pem",
        "UV_INSECURE_HOST": "h",
        "HTTP_PROXY": "http://p",
        "HTTPS_PROXY": "http://p",
        "UV_HTTP_TIMEOUT": "30",
        "UV_KEYRING_PROVIDER": "subprocess",
        "NO_COLOR": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config/uv/uv.toml", '[[index]]\nurl = "https://uv"\n'),
        ("uv.toml", 'index-url = "https://uv"\n'),
        ("pyproject.toml", '[tool.uv.pip]\nextra-index-url = ["https://uv"]\n'),
    ],
)
def test_indexes_of_uvs_own_configuration_win(tmp_path: Path, home: dict[str, str], file: str, text: str) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://pip\nfind-links = .\n")
    write(tmp_path / file, text)
    told = IndexSettings.load(environ=home).environment(home)
    assert "UV_DEFAULT_INDEX" not in told
    assert told["UV_FIND_LINKS"] == "."


def test_variables_of_uv_win(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\nindex-url = https://pip\ncert = /pip.pem\nfind-links = .\n")
    environ = home | {"UV_DEFAULT_INDEX": "https://uv", "SSL_CERT_FILE": "/uv.pem", "UV_FIND_LINKS": "/uv"}
    told = IndexSettings.load(environ=environ).environment(environ)
    assert (told["UV_DEFAULT_INDEX"], told["SSL_CERT_FILE"]) == ("https://uv", "/uv.pem")
    assert told["UV_FIND_LINKS"] == "/uv,."


def test_requirements_files_win_over_all(tmp_path: Path, home: dict[str, str]) -> None:
    write(tmp_path / "config/pip/pip.conf", "[global]\nextra-index-url = https://pip\n")
    named = [("index-url", "https://file"), ("extra-index-url", "https://more"), ("no-index", ""), ("pre", "")]
    settings = IndexSettings.load(named, home)
    told = settings.environment(home)
    assert (told["UV_DEFAULT_INDEX"], told["UV_INDEX"]) == ("https://file", "https://pip https://more")
    assert settings.no_index
    assert told["UV_PRERELEASE"] == "allow"

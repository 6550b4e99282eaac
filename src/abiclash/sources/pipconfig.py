"""The user's pip configuration, read from the files and variables that pip reads.

pip's documentation, "Configuration": the files in the order global, user, site, PIP_CONFIG_FILE, then the PIP_*
variables; a later one replaces the value of an earlier one. pip itself need not be installed beside abiclash.
"""

from __future__ import annotations

import configparser
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SYSTEM = Path("/etc")
_SECTIONS = ("global", "install", "download")
_TRUE = {"1", "true", "t", "yes", "y", "on"}


@dataclass(frozen=True, slots=True)
class PipSettings:
    """What of pip's configuration decides where wheels come from.

    index_url: None where pip's default is in force. timeout: seconds. keyring: pip's keyring-provider.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = None
    timeout: float | None = None
    trusted_hosts: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    keyring: str | None = None

    @classmethod
    def load(cls, environ: Mapping[str, str] = os.environ) -> PipSettings:
        """Return the settings in force; SourceError where a configuration file cannot be parsed."""
        values: dict[str, str] = {}
        for path in config_files(environ):
            values |= _file(path)
        for variable, value in environ.items():
            if variable.startswith("PIP_") and value:
                values[_key(variable.removeprefix("PIP_"))] = value
        return cls(
            index_url=values.get("index-url") or None,
            extra_index_urls=_words(values, "extra-index-url"),
            find_links=_words(values, "find-links"),
            no_index=_truth(values, "no-index"),
            pre=_truth(values, "pre"),
            cert=values.get("cert") or None,
            client_cert=values.get("client-cert") or None,
            proxy=values.get("proxy") or None,
            timeout=_number(values.get("timeout", values.get("default-timeout"))),
            trusted_hosts=_words(values, "trusted-host"),
            constraints=_words(values, "constraint"),
            keyring=values.get("keyring-provider") or None,
        )


def config_files(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the existing configuration files, from the weakest to the strongest."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    home = Path(environ.get("HOME") or Path.home())
    shared = [Path(folder, "pip") for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder]
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip")
    folders = [*reversed(shared), SYSTEM, home / ".pip", user, Path(environ.get("VIRTUAL_ENV") or sys.prefix)]
    for path in [folder / "pip.conf" for folder in folders] + ([Path(named)] if named else []):
        if path.is_file():
            yield path


def _file(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        problem = " ".join(str(error).split())
        raise SourceError(f"pip's configuration file {path}: cannot be read: {problem}; repair it") from error
    values: dict[str, str] = {}
    for section in _SECTIONS:
        if parser.has_section(section):
            values |= {_key(key): value for key, value in parser.items(section)}
    return values


def _key(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("--")


def _words(values: Mapping[str, str], key: str) -> tuple[str, ...]:
    return tuple(values.get(key, "").split())


def _truth(values: Mapping[str, str], key: str) -> bool:
    return values.get(key, "").strip().lower() in _TRUE


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None

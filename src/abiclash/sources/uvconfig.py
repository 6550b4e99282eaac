"""What uv is told about the index: uv's own configuration first, then what pip is configured with."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abiclash.parsing import read_toml
from abiclash.sources.pipconfig import SYSTEM, PipSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_INDEX_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_NO_INDEX")
_INDEX_KEYS = {"index", "index-url", "extra-index-url", "no-index"}


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where wheels come from, apart from what uv is configured with itself.

    pip: of pip's configuration; without its indexes where uv has its own. named: options of requirements files.
    """

    pip: PipSettings
    named: PipSettings

    @classmethod
    def load(cls, named: Sequence[tuple[str, str]] = (), environ: Mapping[str, str] = os.environ) -> IndexSettings:
        """Return the settings in force."""
        pip = PipSettings.load(environ)
        if any(map(environ.get, _INDEX_VARIABLES)) or any(map(_names_index, config_files(environ))):
            pip = replace(pip, index_url=None, extra_index_urls=(), no_index=False)
        of_files = PipSettings()
        for option, value in named:
            of_files = _with(of_files, option, value)
        return cls(pip, of_files)

    @property
    def no_index(self) -> bool:
        """Whether only find-links are asked."""
        return self.pip.no_index or self.named.no_index

    def environment(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment to run uv in.

        The user's variables for uv win over pip's configuration, and requirements files win over both. Settings
        go by variables, because a command line with credentials in it can be read by everyone on the machine.
        """
        result = dict(environ)
        for name, value in _variables(self.pip).items():
            if name == "UV_FIND_LINKS" or not result.get(name):
                result[name] = _joined(name, result, value)
        for name, value in _variables(self.named).items():
            result[name] = _joined(name, result, value)
        certificates = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
        if certificates:
            result.setdefault("SSL_CERT_FILE", certificates)
        return result | {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def _variables(pip: PipSettings) -> dict[str, str]:
    """Return what tells uv of pip's settings.

    pip takes the best version that any index has; uv, unless told, only asks the first that knows the name.
    """
    told = {
        "UV_DEFAULT_INDEX": pip.index_url,
        "UV_INDEX": " ".join(pip.extra_index_urls),
        "UV_INDEX_STRATEGY": "unsafe-best-match" if pip.extra_index_urls else None,
        "UV_FIND_LINKS": ",".join(link for link in pip.find_links if _reachable(link)),
        "SSL_CERT_FILE": pip.cert,
        "SSL_CLIENT_CERT": pip.client_cert,
        "UV_INSECURE_HOST": " ".join(pip.trusted_hosts),
        "HTTP_PROXY": pip.proxy,
        "HTTPS_PROXY": pip.proxy,
        "UV_HTTP_TIMEOUT": None if pip.timeout is None else str(max(1, round(pip.timeout))),
        "UV_CONSTRAINT": " ".join(pip.constraints),
        "UV_PRERELEASE": "allow" if pip.pre else None,
        "UV_KEYRING_PROVIDER": "subprocess" if pip.keyring == "subprocess" else None,
    }
    return {name: value for name, value in told.items() if value}


def _joined(name: str, environ: Mapping[str, str], value: str) -> str:
    """Return a variable with `value` added, where it is a list, or set to it."""
    separator = {"UV_FIND_LINKS": ",", "UV_INDEX": " ", "UV_INSECURE_HOST": " "}.get(name)
    return value if separator is None else separator.join(filter(None, [environ.get(name), value]))


def config_files(environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Yield the existing files of uv's configuration ("Configuration files" in uv's documentation)."""
    if environ.get("UV_NO_CONFIG"):
        return
    if named := environ.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    home = Path(environ.get("HOME") or Path.home())
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [Path(folder) for folder in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if folder]
    candidates = [folder / "uv/uv.toml" for folder in (*shared, SYSTEM, user)]
    here = Path.cwd()
    candidates += [folder / name for folder in (here, *here.parents) for name in ("uv.toml", "pyproject.toml")]
    yield from (path for path in candidates if path.is_file())


def _names_index(path: Path) -> bool:
    """Return whether a configuration file of uv names an index; one that cannot be read is left to uv to report."""
    try:
        content: dict[str, Any] = read_toml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("uv", {})
    return bool(_INDEX_KEYS & {*content, *content.get("pip", {})})


def _with(pip: PipSettings, option: str, value: str) -> PipSettings:
    """Return the settings with one option of a requirements file, as pip applies it."""
    match option:
        case "index-url":
            return replace(pip, index_url=value)
        case "extra-index-url":
            return replace(pip, extra_index_urls=(*pip.extra_index_urls, value))
        case "find-links":
            return replace(pip, find_links=(*pip.find_links, value))
        case "trusted-host":
            return replace(pip, trusted_hosts=(*pip.trusted_hosts, value))
        case "no-index":
            return replace(pip, no_index=True)
        case "pre":
            return replace(pip, pre=True)
        case _:
            return pip


def _reachable(link: str) -> bool:
    """Return whether to pass it on: pip skips a missing find-links folder with a warning; uv fails."""
    return "://" in link or Path(link).expanduser().exists()

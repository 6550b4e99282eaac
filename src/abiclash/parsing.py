"""JSON and TOML of strangers: whatever is wrong with them is a ValueError, deep nesting too."""

from __future__ import annotations

import json
import tomllib
from typing import Any

_DEEP = "nested too deeply"


def read_json(text: str | bytes) -> Any:
    """Return what JSON text says. Raises ValueError: `json` itself ends deep nesting with a RecursionError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(_DEEP) from error


def read_toml(text: str) -> dict[str, Any]:
    """Return what TOML text says. Raises tomllib.TOMLDecodeError, a ValueError."""
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise tomllib.TOMLDecodeError(_DEEP) from error

"""Cross-package ABI conflict detection for Python wheels.

`scan`, `bindings`, `read_facts` and `to_json` are the Python interface (docs/api.md); they are loaded when first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from abiclash.api import Facts, ScanResult, bindings, read_facts, scan, to_json

__version__ = "0.1.0"
__all__ = ["Facts", "ScanResult", "__version__", "bindings", "read_facts", "scan", "to_json"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from importlib import import_module  # noqa: PLC0415 - `abiclash --version` needs neither

        return getattr(import_module("abiclash.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

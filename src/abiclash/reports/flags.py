"""dlopen flags in words."""

from __future__ import annotations

_NAMES = {0x1: "LAZY", 0x2: "NOW", 0x4: "NOLOAD", 0x8: "DEEPBIND", 0x100: "GLOBAL", 0x1000: "NODELETE"}  # dlfcn.h
_USUAL = 0x2  # sys.getdlopenflags()


def unusual(flags: int) -> str:
    """Return flags as `NOW|GLOBAL`; '' for those with which CPython opens extension modules."""
    return "" if flags == _USUAL else "|".join(text for bit, text in _NAMES.items() if flags & bit)

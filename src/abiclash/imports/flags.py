"""The flags of dlopen, by the names that Python gives them (glibc bits/dlfcn.h)."""

from __future__ import annotations

RTLD = {
    "RTLD_LAZY": 0x1,
    "RTLD_NOW": 0x2,
    "RTLD_NOLOAD": 0x4,
    "RTLD_DEEPBIND": 0x8,
    "RTLD_GLOBAL": 0x100,
    "RTLD_LOCAL": 0x0,
    "RTLD_NODELETE": 0x1000,
}
RTLD_NOW = RTLD["RTLD_NOW"]
RTLD_GLOBAL = RTLD["RTLD_GLOBAL"]

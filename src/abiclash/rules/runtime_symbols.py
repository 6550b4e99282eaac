"""The few names that every C and C++ program shares: memory allocation, and throwing and unwinding.

They are fixed by the C standard, the Itanium C++ ABI and the psABI; each set is a protocol whose two ends must meet.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from abiclash.names import name_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIZES = ("m", "j")
"""Mangled size_t: of 64-bit and of 32-bit machines."""
_NOTHROW, _ALIGNED = "RKSt9nothrow_t", "St11align_val_t"

ALLOCATE_C = ("malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc")
RELEASE_C = ("free", "cfree", "realloc", "malloc_usable_size")
ALLOCATE_CXX = tuple(f"_Zn{kind}{size}{nothrow}" for kind in "wa" for size in _SIZES for nothrow in ("", _NOTHROW))
RELEASE_CXX = tuple(f"_Zd{kind}Pv{rest}" for kind in "la" for rest in ("", *_SIZES, _NOTHROW))
ALLOCATE_ALIGNED = tuple(
    f"_Zn{kind}{size}{_ALIGNED}{nothrow}" for kind in "wa" for size in _SIZES for nothrow in ("", _NOTHROW)
)
RELEASE_ALIGNED = tuple(
    f"_Zd{kind}Pv{size}{_ALIGNED}{nothrow}" for kind in "la" for size in ("", *_SIZES) for nothrow in ("", _NOTHROW)
)
BASE_CXX = ("_Znwm", "_Znwj", "_ZdlPv")
"""What the other forms hand on to, unless they are for aligned memory ([new.delete.single] of the C++ standard)."""
THROW = (
    *(f"_Unwind_{end}" for end in ("RaiseException", "Resume", "Resume_or_Rethrow", "ForcedUnwind", "Backtrace")),
    *(f"_Unwind_{end}" for end in ("DeleteException", "Find_FDE", "FindEnclosingFunction", "GetCFA", "GetDataRelBase")),
    *(f"_Unwind_Get{what}" for what in ("GR", "IP", "IPInfo", "LanguageSpecificData", "RegionStart", "TextRelBase")),
    "_Unwind_SetGR",
    "_Unwind_SetIP",
    *(f"__{de}register_frame{rest}" for de in ("", "de") for rest in ("", "_info", "_info_bases")),
    *(f"__register_frame{rest}" for rest in ("_table", "_info_table", "_info_table_bases")),
    *(f"__cxa_{end}" for end in ("allocate_exception", "free_exception", "throw", "rethrow", "begin_catch")),
    *(
        f"__cxa_{end}"
        for end in ("end_catch", "get_exception_ptr", "get_globals", "get_globals_fast", "call_terminate")
    ),
    *(f"__cxa_{end}" for end in ("allocate_dependent_exception", "free_dependent_exception")),
    "__cxa_call_unexpected",
    "__cxa_call_terminate",
    *(f"__cxa_{end}" for end in ("init_primary_exception", "current_exception_type", "begin_cleanup", "end_cleanup")),
    "__gxx_personality_v0",
    "__gcc_personality_v0",
)
_GROUPS = re.compile(r"_Unwind_|__(de)?register_frame|__cxa_|__gxx_personality|__gcc_personality|_Zn[wa][mj]|_Zd[la]Pv")


def in_runtime_group(name: str) -> bool:
    """Tell whether a name belongs to allocation or unwinding; those have rules of their own."""
    return _GROUPS.match(name) is not None or name in ALLOCATE_C or name in RELEASE_C


@lru_cache(maxsize=16)
def keys_of(names: tuple[str, ...]) -> NDArray[np.uint64]:
    """Return the sorted keys of some of the names above."""
    return np.sort(np.array([name_key(name) for name in names], dtype=np.uint64))

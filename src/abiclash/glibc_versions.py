"""What the model of ld.so takes from glibc's version, in one place.

A change is named by the first release that has it upstream; distributions bring some to older versions.
Not here, because they are tables of their own: the surplus of static TLS (sources/tunables.py) and the hwcaps
subdirectories (sources/loader.py).
"""

from __future__ import annotations

from dataclasses import dataclass

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. since: the first version with it. what: in words. where: glibc's file and function, and bug."""

    since: Version
    what: str
    where: str

    def __contains__(self, version: Version) -> bool:
        """Tell whether a version has it."""
        return version >= self.since


PIE_REFUSED = Change(
    (2, 30), "dlopen refuses position-independent executables", "elf/dl-load.c _dl_map_object_from_fd, bug 24323"
)
NODELETE_AFTER_SUCCESS = Change(
    (2, 31),
    "a failed load leaves nothing behind; before, objects that must not be unloaded (RTLD_NODELETE, DF_1_NODELETE, "
    "unique symbols) stayed, with what they need, as far as they had come",
    "elf/dl-open.c activate_nodelete, bug 20839",
)
FILTERS_OPENED = Change(
    (2, 32),
    "dlopen can open an object that names a filtee, and relocates in the order of initialisation; before, an assertion "
    "ended the process, and what was to be relocated was sorted on its own",
    "elf/dl-deps.c _dl_map_object_deps, elf/dl-open.c dl_open_worker, bug 16272",
)
OPTIONAL_STATIC_TLS = Change(
    (2, 32), "TLS descriptors may use a share of the static TLS surplus only", "elf/dl-reloc.c, bug 25051"
)
DEPTH_FIRST_SORT = Change(
    (2, 35),
    "objects are sorted depth first (glibc.rtld.dynamic_sort); the opened object stays first since 2.37, or a "
    "distribution's fix of bug 28937, which the model takes to be there",
    "elf/dl-sort-maps.c _dl_sort_maps_dfs, bug 17645",
)
RSEQ_ALIGNMENT = Change(
    (2, 35),
    "struct pthread holds the area of restartable sequences, so the static TLS block is aligned to 32",
    "nptl/descr.h TCB_ALIGNMENT",
)
CLOSED_FIRST = Change(
    (2, 39),
    "the object that dlclose gets, or that failed to load, is destroyed before all others that go with it",
    "elf/dl-close.c _dl_close_worker, bug 30981",
)
FILES_PASSED_OVER = Change(
    (2, 39),
    "a relative search directory that is a file is passed over; before, it ended the search of that path",
    "elf/dl-load.c open_path, bug 31035",
)
RSEQ_AREA = Change(
    (2, 41),
    "the area of restartable sequences is part of the static TLS block",
    "elf/dl-tls.c _dl_determine_tlsoffset, sysdeps/unix/sysv/linux/dl-extra_tls.h",
)
STACK_STAYS = Change(
    (2, 41),
    "dlopen refuses an object that needs an executable stack where the stack is not executable; "
    "the tunable glibc.rtld.execstack exists",
    "elf/dl-load.c _dl_map_object_from_fd, bug 32653; elf/dl-execstack-tunable.c",
)
VERSIONS_MAY_BE_LOST = Change(
    (2, 41),
    "a library without a version table may serve a reference whose verneed names it; before, an assertion ended the "
    "process",
    "elf/dl-lookup.c check_match",
)
DEFAULT_IS_FALLBACK = Change(
    (2, 42),
    "a definition without a version satisfies a versioned reference only if the object has no exact match; before, "
    "the first of both in the hash chain did",
    "elf/dl-lookup.c check_match, bug 29190",
)
CHANGES = (
    PIE_REFUSED,
    NODELETE_AFTER_SUCCESS,
    FILTERS_OPENED,
    OPTIONAL_STATIC_TLS,
    DEPTH_FIRST_SORT,
    RSEQ_ALIGNMENT,
    CLOSED_FIRST,
    FILES_PASSED_OVER,
    RSEQ_AREA,
    STACK_STAYS,
    VERSIONS_MAY_BE_LOST,
    DEFAULT_IS_FALLBACK,
)


@dataclass(frozen=True, slots=True)
class Assertion:
    """One that ends the process. lines: the line that it stands in, by the first glibc 2.x; ld.so prints it."""

    source: str
    function: str
    condition: str
    lines: dict[int, int]

    def text(self, version: Version) -> str:
        """Return what ld.so says after "Inconsistency detected by ld.so: " (elf/dl-minimal.c __assert_fail)."""
        since = max((known for known in self.lines if known <= version[1]), default=min(self.lines))
        return f"{self.source}: {self.lines[since]}: {self.function}: Assertion `{self.condition}' failed!"


LIBRARY_OF_VERSIONS = Assertion("dl-version.c", "_dl_check_map_versions", "needed != NULL", {17: 224, 27: 205, 35: 204})
"""A library that verneed names is loaded under no such name."""
VERSIONS_PROMISED = Assertion(
    "dl-lookup.c",
    "check_match",
    "version->filename == NULL || ! _dl_name_match_p (version->filename, map)",
    {17: 167, 18: 166, 19: 166, 20: 127, 27: 110, 28: 111, 32: 105, 35: 106, 36: 107, 39: 106},
)
"""A reference with a version meets, in the library that verneed names for it, a definition without versions."""
OPENED_IS_FIRST = Assertion(
    "dl-deps.c",
    "_dl_map_object_deps",
    "map->l_searchlist.r_list[0] == map",
    {17: 590, 18: 586, 20: 574, 27: 549, 28: 553},
)
"""An object that names a filtee is opened itself (before FILTERS_OPENED)."""

"""What dynamic linkers, Python and well-known libraries print when an ABI conflict comes to light.

Each pattern is wording that a program fixes in its source: glibc elf/dl-*.c, musl ldso/dynlink.c, libstdc++, NumPy,
protobuf, pybind11, Intel's OpenMP, Qt. None of them can take more than linear time on hostile text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One wording. Named groups: object (a file), symbol, version, wanted (a file) are what it tells.

    rules: those that look for this mechanism, the likeliest first; none for what is no clash of packages. meaning: a
    sentence that may use the groups. advice: what to do next, whatever a scan finds.
    """

    pattern: re.Pattern[str]
    rules: tuple[str, ...]
    meaning: str
    advice: str


def _message(pattern: str, rules: str, meaning: str, advice: str) -> Message:
    return Message(re.compile(pattern), tuple(rules.split()), meaning, advice)


# Begins where a word begins: a search that starts anew at each letter of a long word takes quadratic time.
_FILE = r"(?<![^\s:'\"])(?P<object>[^\s:'\"]{1,4096})"
_SYMBOL = r"(?P<symbol>[^\s,:()]{1,4096})"
_WANTED = r"(?P<wanted>[^\s:'\"]{1,4096})"

_UNDEFINED = (
    "Where another package is to define it (an extension of torch, say), import that package first, in the release this"
    " one was built for; else see which file each needed library came from."
)

MESSAGES = (
    _message(
        rf"{_FILE}: version `(?P<version>GLIBC_[^'\s]{{1,200}})' not found"
        r"(?: \(required by (?P<wanted>[^\s)]{1,4096})\))?",
        "platform-tag missing-version",
        "{wanted} needs version {version} of {object}, and the C library of this system is older: no order of imports"
        " changes that.",
        "Take a wheel for an older manylinux (an older release may have one), or a newer system.",
    ),
    _message(
        rf"{_FILE}: version `(?P<version>[^'\s]{{1,200}})' not found(?: \(required by (?P<wanted>[^\s)]{{1,4096}})\))?",
        "missing-version",
        "{wanted} needs version {version} of {object}, and the copy that is in the process is older.",
        "Import the package that brings the newer copy first, or update the one that brings the older.",
    ),
    _message(
        rf"{_FILE}: undefined symbol: {_SYMBOL}, version (?P<version>[^\s)]{{1,200}})",
        "soname-collision undefined-symbol",
        "{object} needs {symbol} in version {version}, and the library that is in the process under that name does not"
        " have it: it is another build.",
        "See which file that library came from: a package that was imported earlier brings another one of its name.",
    ),
    _message(
        rf"{_FILE}: undefined symbol: (?P<symbol>_Z(?=\S{{0,4000}}(?:__cxx11|[KRP]Ss|Ss[a-z]*$))[^\s,:()]{{1,4094}})",
        "cxx11-abi undefined-symbol",
        "{object} needs {symbol}, a function with C++ strings in its signature, and no library that it can see defines"
        " it: the two sides were built for different strings (_GLIBCXX_USE_CXX11_ABI), or for different releases.",
        _UNDEFINED,
    ),
    _message(
        rf"{_FILE}: undefined symbol: {_SYMBOL}",
        "undefined-symbol soname-collision",
        "{object} needs {symbol}, and no library that it can see defines it: a library of the right name but of another"
        " build is in its place, or one is missing.",
        _UNDEFINED,
    ),
    _message(
        rf"{_FILE}: symbol {_SYMBOL}(?:, version (?P<version>[^\s)]{{1,200}}))? not defined in file {_WANTED} with link"
        " time reference",
        "soname-collision missing-version",
        "{object} needs {symbol} of {wanted}, and the library that is in the process under that name does not have it:"
        " it is another build.",
        "See which file that library came from: a package that was imported earlier brings another one of its name.",
    ),
    _message(
        rf"{_FILE}: (?:wrong ELF class: ELFCLASS\d\d|invalid ELF header|file too short|ELF load command )",
        "bad-object",
        "{object} is no library that this system can load: it is of another machine, or damaged.",
        "Install the package again, for this machine (pip install --force-reinstall --no-cache-dir).",
    ),
    _message(
        rf"Error relocating {_FILE}: {_SYMBOL}: symbol not found",
        "undefined-symbol soname-collision",
        "{object} needs {symbol}, and no library in the process defines it.",
        "Check which file each needed library came from.",
    ),
    _message(
        rf"{_FILE}: cannot allocate memory in static TLS block",
        "static-tls",
        "{object} wants thread-local variables in the space that is fixed when a program starts, and other libraries"
        " have used it up.",
        "Import the package of {object} first, or start with GLIBC_TUNABLES=glibc.rtld.optional_static_tls=4096.",
    ),
    _message(
        rf"{_FILE}: cannot enable executable stack",
        "executable-stack",
        "{object} asks for an executable stack, which glibc 2.41 and newer refuse to a library that is loaded later.",
        "Update the package of {object}, or have its maintainer clear the flag of PT_GNU_STACK.",
    ),
    _message(
        rf"{_FILE}: cannot open shared object file: No such file or directory",
        "missing-library search-path",
        "No file named {object} is where the dynamic linker looks.",
        "Install what provides {object}; a wheel should bring it along.",
    ),
    _message(
        rf"Error loading shared library {_FILE}: (?P<version>[^(\n]{{1,100}})\(needed by {_WANTED}\)",
        "missing-library search-path",
        "{wanted} needs {object}, which is not where musl's dynamic linker looks.",
        "Install what provides {object}; a wheel should bring it along.",
    ),
    _message(
        r"Inconsistency detected by ld\.so: (?:\.\./)?(?:elf/)?(?P<symbol>dl-[\w.-]{1,40})",
        "loader-abort missing-version soname-collision",
        "The dynamic linker found libraries that contradict the symbol versions they were linked with ({symbol}).",
        "Two packages bring different builds under one library name: try the other import order, update one of them.",
    ),
    _message(
        r"compiled using NumPy 1\.x cannot be run in|module compiled against (?:ABI|API) version|"
        r"numpy\.[\w.]{1,60} (?:size|has the wrong size)|size changed, may indicate binary incompatibility",
        "python-abi",
        "An extension module was built against another NumPy than the one that is installed.",
        "Install a NumPy of the major version it was built for, or a newer release of the package.",
    ),
    _message(
        r"compiled against version \S{1,40} of the Protocol Buffer runtime library, which is not compatible",
        "soname-collision shared-registry",
        "Code that was generated for one release of protobuf runs with the library of another one.",
        "See which package brings that protobuf library; try the other import order, or releases that agree.",
    ),
    _message(
        r"File already exists in database|descriptor_database\.cc|GeneratedDatabase\(\)->Add|"
        r"Couldn't build proto file into descriptor pool|"
        r"duplicate file name (?P<symbol>[\w./-]{1,200}\.proto)",
        "shared-registry",
        "Two packages register the same protobuf descriptions in one registry.",
        "Only one library of the process may carry these descriptions, or each needs a protobuf runtime of its own.",
    ),
    _message(
        r"generic_type: type \"(?P<symbol>[^\"\n]{1,400})\" is already registered",
        "shared-registry",
        "Two extension modules register the C++ type {symbol} in the registry that pybind11 modules share.",
        "One of them has to declare it module_local, or be built with another version of pybind11.",
    ),
    _message(
        r"OMP: Error #15|(?P<object>lib[ig]?omp[\w.-]{0,60}), but found (?P<wanted>[\w.-]{1,80}) already initialized",
        "duplicate-openmp duplicate-runtime",
        "Two copies of an OpenMP runtime are in the process.",
        "Use builds that share one OpenMP library. KMP_DUPLICATE_LIB_OK=TRUE hides the check, not the danger.",
    ),
    _message(
        r"random_device|std::random_device::_M_init|unsupported token",
        "split-state odr-mismatch",
        "std::random_device was built by one copy of the C++ runtime and is used by another.",
        "Try the other import order; a package that exports its own copy of libstdc++ is the usual cause.",
    ),
    _message(
        r"[Cc]ould not (?:load|find) the Qt platform plugin|Could not load the Qt platform plugin",
        "environment-path soname-collision",
        "Qt looks for its plugins where another package's Qt has put them.",
        "Do not import two packages that bring a Qt of their own, or unset QT_PLUGIN_PATH and"
        " QT_QPA_PLATFORM_PLUGIN_PATH.",
    ),
    _message(
        r"free\(\): invalid (?:pointer|size)|munmap_chunk\(\): invalid pointer|double free or corruption|"
        r"realloc\(\): invalid (?:pointer|next size)|malloc\(\): |corrupted (?:size vs\. prev_size|double-linked list)",
        "size-mismatch interposed-allocator odr-mismatch split-state",
        "The heap is damaged: memory came from one copy of a library and went back to another, or two sides disagree"
        " about the size of an object.",
        "Find the two copies: see which packages bring the same library.",
    ),
    _message(
        r"Illegal instruction|SIGILL",
        "",
        "The processor does not know an instruction: a library was built for a newer one. This is no clash of"
        " packages.",
        "Look for a build for older processors, or build the package on this machine.",
    ),
    _message(
        r"terminate called (?:after throwing|without an active exception|recursively)",
        "unwinder split-state runtime-capture",
        "A C++ exception met no handler: its type or its unwinder belongs to another copy of the C++ runtime.",
        "Try the other import order; see which packages bring or export a C++ runtime.",
    ),
)

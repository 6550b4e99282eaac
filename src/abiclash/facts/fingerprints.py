"""Runtimes and libraries that are linked into an object, by what it defines and by the version text it carries.

Only what shows can be found: a library that was linked in with all its symbols hidden and that carries no text
of its own stays unseen. An object that *is* the library (libz.so.1) has its fingerprint too.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from abiclash.facts.text import DOTTED, LOWER, UPPER, WORD
from abiclash.names import name_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from abiclash.facts.model import Symbols
    from abiclash.facts.names_table import NameTable, Prefixes
    from abiclash.facts.text import Texts

DEFINITIONS: Mapping[str, tuple[str, ...]] = {
    "libstdc++": ("_ZNSt8ios_base4InitC1Ev", "_ZNKSt6locale2id5_M_idEv"),
    "libstdc++ once": ("__once_proxy", "_ZSt11__once_call"),
    "libstdc++ allocation": ("_Znwm", "_Znwj"),
    "libc++": ("_ZNSt3__18ios_base4InitC1Ev", "_ZNSt3__14coutE"),
    "c++ exceptions": ("__cxa_throw",),
    "unwinder": ("_Unwind_RaiseException",),
    "unwinder registration": ("__register_frame_info", "__register_frame"),
    "libunwind": ("unw_step", "_ULx86_64_step", "_Ux86_64_step"),
    "libgomp": ("GOMP_parallel_start", "GOMP_parallel"),
    "libomp": ("__kmpc_fork_call",),
    "libgfortran": ("_gfortran_st_write",),
    "libquadmath": ("quadmath_snprintf",),
    "protobuf": ("_ZN6google8protobuf14DescriptorPool14generated_poolEv",),
    "grpc": ("grpc_init",),
    "glog": ("_ZN6google17InitGoogleLoggingEPKc",),
    "gflags": ("_ZN6google21ParseCommandLineFlagsEPiPPPcb", "_ZN6gflags21ParseCommandLineFlagsEPiPPPcb"),
    "llvm": ("_ZN4llvm11LLVMContextC1Ev", "LLVMContextCreate"),
    "openssl": ("SSL_CTX_new", "EVP_CIPHER_CTX_new"),
    "boringssl": ("CRYPTO_BUFFER_new",),
    "zlib": ("inflateInit2_",),
    "zlib-ng": ("zng_inflate",),
    "bzip2": ("BZ2_bzDecompressInit",),
    "xz": ("lzma_code",),
    "zstd": ("ZSTD_decompress",),
    "lz4": ("LZ4_decompress_safe",),
    "snappy": ("snappy_compress", "_ZN6snappy13RawUncompressEPKcmPc"),
    "brotli": ("BrotliDecoderDecompress",),
    "openblas": (
        "openblas_get_config",
        "openblas_get_config64_",
        "scipy_openblas_get_config",
        "scipy_openblas_get_config64_",
    ),
    "mkl": ("mkl_serv_get_version", "MKL_Get_Version"),
    "blis": ("bli_info_get_version_str",),
    "blas": ("dgemm_", "dgemm_64_", "cblas_dgemm"),
    "lapack": ("dgetrf_", "dgetrf_64_"),
    "malloc": ("malloc",),
    "jemalloc": ("mallctl", "je_mallctl"),
    "mimalloc": ("mi_malloc",),
    "tcmalloc": ("tc_malloc", "MallocExtension_ReleaseFreeMemory"),
    "tbb": ("_ZN3tbb6detail2r117get_thread_data_EPNS0_2d1", "TBB_runtime_interface_version"),
    "sqlite": ("sqlite3_open_v2",),
    "hdf5": ("H5open",),
    "curl": ("curl_easy_init",),
    "libxml2": ("xmlInitParser",),
    "libpng": ("png_create_read_struct",),
    "libjpeg": ("jpeg_std_error",),
    "libtiff": ("TIFFOpen",),
    "freetype": ("FT_Init_FreeType",),
    "glib": ("g_object_new",),
    "geos": ("GEOS_init_r",),
    "proj": ("proj_create",),
    "gdal": ("GDALAllRegister",),
    "ffmpeg": ("avcodec_version",),
    "qt": ("qVersion",),
    "libuv": ("uv_run",),
    "c-ares": ("ares_library_init",),
    "cuda runtime": ("cudaMalloc",),
    "python": ("Py_Initialize",),
}
"""Runtime -> names, one of which it defines whatever its version."""

PREFIXES: Mapping[str, tuple[bytes, int]] = {
    "abseil": (b"_ZN4absl", 5),
    "boost": (b"_ZN5boost", 20),
    "eigen": (b"_ZN5Eigen", 20),
    "mlir": (b"_ZN4mlir", 20),
    "arrow": (b"_ZN5arrow", 50),
    "re2": (b"_ZN3re23RE2", 5),
    "thrift": (b"_ZN6apache6thrift", 5),
    "icu": (b"_ZN6icu_", 20),
}
"""Runtime -> (a prefix of mangled names, how many definitions must have it): one inline function is no library."""

BANNERS = re.compile(
    r"(?P<openssl>OpenSSL (\d[\w.]+)  ?\d{1,2} \w{3} \d{4})"
    r"|(?P<libressl>LibreSSL (\d[\d.]+))"
    r"|(?P<zlib> (?:in|de)flate (\d[\w.]+) Copyright )"
    r"|(?P<openblas>OpenBLAS (\d[\w.]+) )"
    r"|(?P<libjpeg_turbo>libjpeg-turbo version (\d[\w.]+))"
    r"|(?P<libpng>.{0,3}libpng version (\d[\w.]+))"
    r"|(?P<libtiff>LIBTIFF, Version (\d[\w.]+))"
    r"|(?P<curl>libcurl/(\d[\w.]+))"
    r"|(?P<jemalloc>(\d\.\d\.\d-\d+-g[0-9a-f]{40}))"
    r"|(?P<mkl>Intel\(R\) (?:oneAPI )?Math Kernel Library Version (\d[\d.]+))"
    r"|(?P<libomp>(?:LLVM|Intel\(R\)) OMP[ \w]* (?:version|Version)[: ]+(\d[\w.]+))"
    r"|(?P<hdf5>HDF5 library version (\d[\w.]+))"
    r"|(?P<bzip2>(1\.0\.\d), \d\d?-\w{3}-\d{4})"
    r"|(?P<xz>XZ Utils (\d[\w.]+))"
    r"|(?P<nccl>NCCL version (\d[\w.+]+))"
    r"|(?P<cares>c-ares (\d[\w.]+))"
)
"""Version texts that a library carries about itself, matched at the start of a whole string."""

_LIBXML2 = re.compile(r"2(0[6-9]|1\d)(\d\d)")
_ABSL_LTS = re.compile(rb"_ZNK?4absl(?:\d+)lts_(\d{8})")


@cache
def _definition_keys() -> tuple[tuple[str, ...], NDArray[np.uint64]]:
    """Return the runtimes and the keys of their names, row by row."""
    pairs = [(runtime, name.encode()) for runtime, names in DEFINITIONS.items() for name in names]
    length = np.array([len(name) for _, name in pairs])
    keys = name_keys(b"".join(name for _, name in pairs), np.cumsum(length) - length, length)
    return tuple(runtime for runtime, _ in pairs), keys


def read_runtimes(symbols: Symbols, names: NameTable, prefixes: Prefixes, texts: Texts) -> tuple[str, ...]:
    """Return the runtimes as `name` or `name version`, sorted.

    prefixes: over the rows of `symbols` that are definitions.
    """
    found = _defined(symbols)
    for runtime, (prefix, least) in PREFIXES.items():
        rows = prefixes.find(prefix) if len(prefixes.rows) >= least else prefixes.rows
        if len(rows) >= least:
            found[runtime] = _lts(names, rows) if runtime == "abseil" else ""
    for text in texts.select(texts.numbered):
        match = BANNERS.match(text)
        if match and match.lastgroup:
            version = next(group for group in match.groups()[match.lastindex or 0 :] if group)
            found[match.lastgroup.replace("_", "-")] = version
    if found.get("libxml2") == "":
        found["libxml2"] = _libxml2(texts)
    if "boringssl" in found or "libressl" in found:
        found.pop("openssl", None)
    if "libomp" in found:
        found.pop("libgomp", None)  # libomp answers to libgomp's names too
    return tuple(sorted(f"{runtime} {version}".strip() for runtime, version in found.items()))


def _libxml2(texts: Texts) -> str:
    """Return libxml2's version from xmlParserVersion, "21404" for 2.14.4; '' where several numbers could be it."""
    numbers = texts.select((texts.classes == WORD | DOTTED | UPPER | LOWER) & (texts.length == 5))
    found = [match for number in numbers if (match := _LIBXML2.fullmatch(number))]
    return f"2.{int(found[0][1])}.{int(found[0][2])}" if len(found) == 1 else ""


def _defined(symbols: Symbols) -> dict[str, str]:
    """Return the runtimes of which the object defines a name."""
    runtimes, keys = _definition_keys()
    found = {}
    first = np.searchsorted(symbols.key, keys, side="left")
    last = np.searchsorted(symbols.key, keys, side="right")
    for at in np.flatnonzero(last > first).tolist():
        if symbols.shndx[first[at] : last[at]].any():
            found[runtimes[at]] = ""
    return found


def _lts(names: NameTable, rows: NDArray[np.intp]) -> str:
    """Return abseil's release, which its inline namespace carries (lts_20230802)."""
    for row in rows[:64].tolist():
        match = _ABSL_LTS.match(names.name(row))
        if match:
            return match[1].decode("ascii")
    return ""

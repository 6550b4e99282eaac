"""First inputs of every target, made of small real things; benchmarks/fuzz.py adds what fuzzing finds.

ELF files are built to be small: fuzzing spends its time on tables, not on padding.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from abiclash.sources.profile_file import ProfileFile, write_profile
from abiclash.sources.profiles import SHIPPED
from tests.facts.elf_files import SOURCES
from tests.fuzz.fuzz_profile import MEMBERS
from tests.imports.site import programs
from tests.sources import test_lockfiles
from tests.support import Builder, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIBRARY = "/lib/liba.so"
SMALL = ("-nostdlib", "-Wl,-z,max-page-size=64", "-Wl,-z,noseparate-code", "-Wl,--build-id=0x00ff17", "-Os")
SMALL_32 = ("-m32", *SMALL)


def elf() -> Iterator[bytes]:
    """Return libraries with every table the reader knows."""
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder.at(Path(folder))
        source = {path.name: path.read_text() for path in SOURCES.iterdir()}
        script = source["versions.map"]
        versions = builder.library("libversions.so", source["versions.c"], versions=script, flags=SMALL)
        yield versions.read_bytes()
        user = "int answer(void); int only_one(void); int use(void) { return answer() + only_one(); }"
        yield builder.library("libuser.so", user, libs=[versions], flags=SMALL).read_bytes()
        for style in ("sysv", "gnu", "both"):
            flags = [*SMALL, f"-Wl,--hash-style={style}"]
            yield builder.library("libbindings.so", source["bindings.c"], flags=flags).read_bytes()
        yield builder.library("lib32.so", source["bindings.c"], flags=SMALL_32).read_bytes()
        packed = [*SMALL, "-Wl,-z,pack-relative-relocs"]
        yield builder.library("libpacked.so", source["bindings.c"], flags=packed).read_bytes()
        for model in ("global-dynamic", "initial-exec"):
            flags = [*SMALL, f'-DMODEL="{model}"']
            yield builder.library("libtls.so", source["tls.c"], flags=flags).read_bytes()
        notes = [*SMALL, "-Wl,-z,execstack"]
        yield builder.library("libnotes.so", source["notes.s"], language="assembler", flags=notes).read_bytes()
        stripped = [*SMALL, "-s", "-Wl,-rpath,$ORIGIN/../x.libs"]
        extension = (
            'const char *PyInit_low(void) { return "pkg._native numpy.core GLIBC_TUNABLES"; } extern char *getenv(char *);'
            'static char *at; __attribute__((constructor)) static void start(void) { at = getenv("PATH"); }'
        )
        yield builder.library("low.so", extension, flags=stripped).read_bytes()


def wheel() -> Iterator[bytes]:
    library = min(elf(), key=len)
    files = {"demo/__init__.py": b"import os\n", "demo/_x.so": library, "demo-1.0.data/purelib/demo/y.py": b"y = 1\n"}
    with tempfile.TemporaryDirectory() as folder:
        yield make_wheel(Path(folder), files).read_bytes()
        yield make_wheel(Path(folder), {"demo/_x.so": library[:999]}, compression=zipfile.ZIP_STORED).read_bytes()
    info = "demo-1.0.dist-info"
    members = {
        "demo/_x.so": library.replace(b"\xfe", b"\xff"),
        "demo/_x.py": b"import os\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: numpy>=1; extra == 'a'\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: cp311-cp311-linux_x86_64\n",
        f"{info}/RECORD": b'demo/_x.so,sha256=abc,7\n"demo/a,b",,\n../../evil,sha256=x,-1\n',
        f"{info}/top_level.txt": b"demo\n",
        "../../etc/evil": b"x",
        "/root/evil": b"y",
        "demo-1.0.data/scripts/run": b"#!python",
    }
    yield b"\xfe".join(name.encode() + b"\n" + content for name, content in members.items())


def source() -> Iterator[bytes]:
    for path in sorted((Path(__file__).parents[1] / "imports" / "cases").glob("*.txt")):
        for program in programs(path.stem).values():
            for part in program.split("\n# "):
                yield part.encode()
    yield b"import os\nos.environ.setdefault('A', 'b')\nif 'x' in sys.modules: raise ImportError('no')\nfrom .deep import low\n"
    yield b"type X[T] = list[T]\ndef f[T](a: T): ...\ntry: pass\nexcept A, B: pass\nt'{a}'\n"
    yield b"import ctypes, sys\nsys.setdlopenflags(258)\nctypes.CDLL('lib.so', mode=ctypes.RTLD_GLOBAL)\n"
    yield b"exec(open('data.txt').read())\nfrom importlib import import_module\nimport_module('.deep.low', 'pkg')\n"


def locks() -> Iterator[bytes]:
    yield b"p" + test_lockfiles.PYLOCK.encode()
    yield b"u" + test_lockfiles.UVLOCK.encode()
    yield b"o" + test_lockfiles.POETRY.encode()
    package = {"name": "a", "requirement": "a>=1", "files": ["ab" * 32], "problem": ""}
    file = {"name": "a", "version": "1", "filename": "a-1-py3-none-any.whl", "sha256": "ab" * 32, "url": "https://h/a"}
    variant = {"python": "3.11", "platform": "manylinux_2_28_x86_64", "host": "debian-12"}
    document = {"lock": 1, "corpus": "c", "created": "2026-01-01", "variant": variant, "orders": "all"}
    yield b"c" + json.dumps({**document, "packages": [package], "files": [{**file, "size": 1}]}).encode()
    yield b"r-i https://index\n--extra-index-url=https://u:p@h/ # c\na[b]>=1 ; python_version < '3' --hash=sha256:ab\n-c ./x\n"
    yield b"s[[suppress]]\nrule = 'split-state'\npackages = ['a']\nreason = 'so'\nexpires = 2027-01-31\n"
    finding = {"id": "split-state-00000000", "rule": "split-state"}
    yield b"b" + json.dumps({"schema": "urn:abiclash:scan:1", "findings": [finding]}).encode()

    for kind, opening in ((b"p", b"a="), (b"u", b"a="), (b"o", b"a="), (b"s", b"a="), (b"b", b""), (b"c", b"")):
        yield kind + opening + b"[" * 3000


def manifest() -> Iterator[bytes]:
    yield b"name=" + b"[" * 3000
    yield b'name="a"\ntitle="b"\nsource="c"\npython=["3.11"]\nplatforms=["manylinux_2_28_x86_64"]\nhosts=["debian-12"]\npackages=["numpy","a[b]>=1"]\norders="all"\n'
    yield b'name="a"\ntitle="b"\nsource="c"\npython=["3.11"]\nplatforms=["x"]\nhosts=["y"]\n[query]\nof=["mine"]\nfirst=3\n'


def store() -> Iterator[bytes]:
    for file in range(6):
        yield bytes([0, file, 0, 10, 0, 1, 2, 3, 4])
        yield bytes([3, file, 0, 10, 0, 1, 2, 3, 4])
        yield bytes([3, file, 2, 73, 0, 0xFD, 0, 0, 0])  # of references.parquet: the library aborts
        yield bytes([1, file, 1, 9, 0, 1, 2, 3, 4, file, 2, 4, 0, 0xFF, 0xFF, 0xFF, 0xFF])


def demangle() -> Iterator[bytes]:
    yield b"_ZSt11__once_call\nmalloc\n_ZNSt13random_device7_M_initERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
    yield b"_Z1fIJLi1ELi2EEEvDpT_\n_ZN1aIXadL_Z1bvEEE1cEv\n_ZZ1avE1b\n_ZTV1a\n_ZGVZ1avE1b\n_Z1fDTclfp_EE\n_ZdlPv"
    yield b"_ZNK3c10ltIPKcEEbRKT_S3_\n_Z1aIJDp1aIS0_EEE\n_ZUlvE_\n_Z3fooIiEDTcmfp_cvT__EES0_\n_ZN5boost6system"


def triage() -> Iterator[bytes]:
    yield b"ImportError: /x/site-packages/a.libs/liba.so.1: undefined symbol: _ZSt4cout, version GLIBCXX_3.4\n"
    yield b"ImportError: /lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /x/site-packages/b/c.so)\n"
    yield b'Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n  File "/v/lib/python3.11/site-packages/a/__init__.py", line 3 in <module>\n\nExtension modules: numpy.core._m, a._b (total: 2)\n'
    yield b"Program received signal SIGSEGV\n#0  0x00 in ?? ()\n#1  0x1 in std::call_once<void (&)()> (x=1) at a.cc:3\n#2  0x2 in __once_proxy () from /v/site-packages/t/libt.so.2\n"


def profile() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        yield _small_profile(Path(folder))


def _small_profile(folder: Path) -> bytes:
    """Return one library's part of a shipped profile as the members of a file."""
    shipped = ProfileFile(min(SHIPPED.glob("debian-12-x86_64.profile")))
    number = min(range(len(shipped)), key=lambda one: len(shipped.object(one)[1]) or 1 << 30)
    host = {**shipped.header["host"], "files": {LIBRARY: 0}, "links": {}, "cache": {"liba.so": [LIBRARY]}}
    own = {
        "machine": host["machine"],
        "libc": host["libc"],
        "version": "3.11",
        "release": "3.11.7",
        "variant": "static",
    }
    places: dict[str, object] = {
        "executable": LIBRARY,
        "libpython": None,
        "stdlib_path": "/lib",
        "site_packages": "/s",
        "links": {},
    }
    named = {"suffixes": [".so"], "extensions": {"_x": LIBRARY}, "builtins": ["sys"], "files": {LIBRARY: 0}}
    entry = {**own, **places, **named, "cache": {}, "stdlib": "stdlib", "provenance": []}
    path = folder / "small.profile"
    header = {"host": host, "interpreters": [entry]}
    write_profile(path, header, [[shipped.object(number)]], {"stdlib": {"os": ["sys"]}})
    with zipfile.ZipFile(path) as archive:
        return b"\xfe".join(archive.read(name) for name in MEMBERS)


MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "elf": elf, "elf_reference": elf, "wheel": wheel, "source": source, "locks": locks, "manifest": manifest,
    "store": store, "demangle": demangle, "triage": triage, "profile": profile,
}  # fmt: skip

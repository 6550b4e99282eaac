"""A corpus of small wheels, and the package index that serves them, with whatever manners a test wants."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

from abiclash.corpus.lock import Lock, Root
from abiclash.corpus.manifest import Variant
from abiclash.sources.resolution import Package
from tests.support import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support import Builder

VARIANT = Variant("3.11", "manylinux_2_36_x86_64", "debian-12")
Fault = Literal["ok", "503", "429", "cut"]
SUFFIX = "cpython-311-x86_64-linux-gnu.so"


def build(builder: Builder, folder: Path) -> list[Path]:
    """Build the wheels.

    alpha and beta bring different libraries of one name, and beta cannot do with alpha's; delta needs alpha; omega
    opens a library with RTLD_GLOBAL that defines what alpha's exports; gamma touches nobody.
    """
    work = builder.folder / "objects"
    shared = {
        name: builder.library(
            "libshared.so.1",
            f"int common(void) {{ return {number}; }} int only_{name}(void) {{ return {number}; }}",
            into=work / name,
        )
        for number, name in enumerate(("alpha", "beta"))
    }
    made = []
    for name, library in shared.items():
        module = builder.library(
            f"_{name}.{SUFFIX}",
            f"extern int common(void), only_{name}(void);"
            f" void *PyInit__{name}(void) {{ return common() + only_{name}() ? 0 : (void *)0; }}",
            libs=[library],
            runpath="$ORIGIN",
            into=work / name,
        )
        files: dict[str, str | bytes | Path] = {
            f"{name}/__init__.py": f"from {name} import _{name}\n",
            f"{name}/{module.name}": module,
            f"{name}/libshared.so.1": library,
        }
        made.append(make_wheel(folder, files, name=name, tag="cp311-cp311-manylinux_2_17_x86_64"))
    plain = builder.library(f"_gamma.{SUFFIX}", "void *PyInit__gamma(void) { return 0; }", into=work)
    made.append(
        make_wheel(
            folder, {"gamma/__init__.py": "from gamma import _gamma\n", f"gamma/{plain.name}": plain}, name="gamma"
        )
    )
    made.append(
        make_wheel(
            folder, {"delta/__init__.py": "import alpha\n"}, name="delta", tag="py3-none-any", requires=["alpha"]
        )
    )
    loud = builder.library("libloud.so", "int common(void) { return 7; }", into=work)
    opens = (
        "import ctypes, os\nctypes.CDLL(os.path.join(os.path.dirname(__file__), 'libloud.so'), ctypes.RTLD_GLOBAL)\n"
    )
    made.append(make_wheel(folder, {"omega/__init__.py": opens, "omega/libloud.so": loud}, name="omega"))
    return sorted(made)


@dataclass
class Index:
    """A server of wheels with simple pages (PEP 503). faults: what it does to each request for a wheel, in turn."""

    url: str
    wheels: dict[str, bytes]
    faults: list[Fault] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault(self, name: str) -> Fault:
        with self.lock:
            self.served.append(name)
            return self.faults.pop(0) if self.faults else "ok"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    index: Index

    def do_GET(self) -> None:
        name = self.path.strip("/").rpartition("/")[2]
        if name.endswith(".whl") and name in self.index.wheels:
            self._wheel(self.index.wheels[name], self.index.fault(name))
        elif self.path.startswith("/simple/"):
            self._page(name)
        else:
            self._send(404, b"")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

    def _wheel(self, body: bytes, fault: Fault) -> None:
        if fault in ("503", "429"):
            self._send(int(fault), b"", {"Retry-After": "0"})
            return
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0] or 0)
        headers = {"ETag": '"a"', "Accept-Ranges": "none"}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start:]
        self._send(206 if start else 200, rest[: len(rest) // 2] if fault == "cut" else rest, headers, len(rest))

    def _page(self, project: str) -> None:
        names = [name for name in self.index.wheels if name.partition("-")[0].replace("_", "-") == project]
        links = "".join(
            f'<a href="/files/{name}#sha256={hashlib.sha256(self.index.wheels[name]).hexdigest()}">{name}</a>'
            for name in names
        )
        self._send(200 if names else 404, f"<html><body>{links}</body></html>".encode(), {"Content-Type": "text/html"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in {"Content-Length": str(len(body) if length is None else length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        pass


@contextmanager
def serving(wheels: Sequence[Path], faults: Sequence[Fault] = ()) -> Iterator[Index]:
    """Serve wheels on a free port of the loopback."""
    handler = type("Bound", (_Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    index = Index(f"http://127.0.0.1:{server.server_port}", {w.name: w.read_bytes() for w in wheels}, list(faults))
    handler.index = index  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def lock_of(index: Index, *, broken: bool = True) -> Lock:
    """Return the lock of a corpus of all wheels that an index serves. broken: with a wheel that is none."""
    if broken:
        index.wheels["broken-1.0-py3-none-any.whl"] = b"PK\3\4 no wheel"
    files = {}
    for name, content in index.wheels.items():
        sha256 = hashlib.sha256(content).hexdigest()
        project = name.partition("-")[0]
        url = f"{index.url}/files/{name}"
        files[sha256] = Package(project, "1.0", name, sha256, url, None, requested=False, size=len(content))
    by_name = {file.name: sha256 for sha256, file in files.items()}
    roots = tuple(
        Root(name, name, (sha256, by_name["alpha"]) if name == "delta" else (sha256,))
        for name, sha256 in sorted(by_name.items())
    )
    return Lock("small", "2026-01-01", VARIANT, "all", roots, dict(sorted(files.items())))


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }

"""A server on the loopback that does to a download what networks do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["Handler"], None]


@dataclass
class Server:
    """What the server does with each request in turn (the last behaviour repeats), and what it was asked."""

    url: str
    behaviours: list[Behaviour]
    requests: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, headers: dict[str, str]) -> Behaviour:
        with self.lock:
            self.requests.append(headers)
            return self.behaviours[min(len(self.requests), len(self.behaviours)) - 1]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the behaviour whose turn it is."""

    protocol_version = "HTTP/1.1"
    state: Server

    def do_GET(self) -> None:
        self.close_connection = True
        self.state.next(dict(self.headers.items()))(self)

    do_HEAD = do_GET  # noqa: N815 - its name in http.server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        pass

    def answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in {"Content-Length": str(len(body) if length is None else length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@contextmanager
def serving(*behaviours: Behaviour) -> Iterator[Server]:
    """Serve on a free port."""
    handler = type("Bound", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state = Server(f"http://127.0.0.1:{server.server_port}", list(behaviours))
    handler.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(body: bytes, etag: str = '"a"') -> Behaviour:
    """Answer with the file, or with the rest of it when that is asked for."""

    def behave(handler: Handler) -> None:
        asked = handler.headers.get("Range")
        if asked and handler.headers.get("If-Range", etag) == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            where = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.answer(206, body[start:], {"Content-Range": where, "ETag": etag})
        else:
            handler.answer(200, body, {"ETag": etag})

    return behave


def cut(body: bytes, at: int, etag: str = '"a"') -> Behaviour:
    """Promise the file and close the connection in its middle."""
    return lambda handler: handler.answer(200, body[:at], {"ETag": etag}, length=len(body))


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Behaviour:
    """Answer with a status."""
    return lambda handler: handler.answer(code, body, headers)

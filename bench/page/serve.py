"""A results folder over HTTP: on this machine alone, to read alone, and nothing beside it."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

from bench import store
from bench.names import printable
from bench.page import PageError
from bench.page.confined import below, parts
from bench.page.listing import listing
from bench.page.page import render
from bench.page.security import NOTHING, PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOPBACK = "127.0.0.1"
_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_KEPT_PAGES = 8
_TYPES = {
    ".json": "application/json",
    ".csv": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
_SECONDS = 30  # that a connection may stay silent


class Answer(NamedTuple):
    """What is sent back. `policy` is for the browser to enforce."""

    status: HTTPStatus
    kind: str
    content: bytes
    policy: str = NOTHING


class Collection:
    """The answers to requests for one results folder, with the last few pages kept."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._pages: OrderedDict[tuple[Path, int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, target: str) -> Answer:
        """What there is at a request's target (its path, and what follows a `?`)."""
        address = _address(target)
        if address is None or address.scheme or address.netloc:
            return _missing()
        if address.path == "/":
            return _html(listing(self._results, _page_number(address.query)))
        names = parts(address.path)
        if names is None:
            return _missing()
        if names[0] == "run" and len(names) == 3:
            return self._page(names[1:])
        if names[0] == "files" and len(names) == 4:
            return self._file(names[1:])
        return _missing()

    def _page(self, names: list[str]) -> Answer:
        file = below(self._results, [*names, store.RUN_FILE])
        if file is None or not file.is_file():
            return _missing()
        # One at a time: a second request for the same page then finds it made.
        with self._lock:
            known = file.stat()
            key = (file, known.st_mtime_ns, known.st_size)
            if key not in self._pages:
                self._pages[key] = render([store.load(file)[1]])
            self._pages.move_to_end(key)
            while len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
            return _html(self._pages[key])

    def _file(self, names: list[str]) -> Answer:
        file = below(self._results, names)
        if file is None or not file.is_file():
            return _missing()
        kind = _TYPES.get(file.suffix, "application/octet-stream")
        return Answer(HTTPStatus.OK, kind, file.read_bytes(), f"{NOTHING}; sandbox")


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD, for requests that name this machine as their host."""

    collection: Collection
    protocol_version = "HTTP/1.1"
    server_version = "freezebench"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Send what was asked for."""
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # what it sends along is not read
        self._send(self._answer())

    do_HEAD = do_GET  # noqa: N815  named by the library

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any other method
            return self._refuse
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who looked at what is of no use here."""

    def version_string(self) -> str:
        """The name of this server, without versions."""
        return self.server_version

    def _refuse(self) -> None:
        self.close_connection = True  # what it sends along is not read
        self._send(_text(HTTPStatus.METHOD_NOT_ALLOWED, "This server only reads: GET and HEAD."))

    def _answer(self) -> Answer:
        # A page elsewhere could reach this server under a name of its own that it points here.
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip()):
            return _text(HTTPStatus.FORBIDDEN, "This server answers to localhost alone.")
        try:
            return self.collection.answer(self.path)
        except (FileNotFoundError, NotADirectoryError):  # it went away while it was looked at
            return _missing()
        except (store.StoreError, PageError) as error:
            return _text(HTTPStatus.INTERNAL_SERVER_ERROR, f"The run cannot be shown: {error}")
        except Exception as error:  # else the connection would be dropped without a word
            return _text(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                f"This cannot be shown: {type(error).__name__}: {printable(str(error))[:500]}",
            )

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        self.send_header("Content-Security-Policy", f"{answer.policy}; frame-ancestors 'none'")
        if answer.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
            self.send_header("Connection", "close")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)


@contextmanager
def serving(results: Path, port: int) -> Iterator[ThreadingHTTPServer]:
    """A server for `results` on the loopback, ready for `serve_forever`; closed afterwards.

    Args:
        results: the folder; what is added to it later is shown as well.
        port: 0 takes one that is free; `server_port` says which.

    Raises:
        OSError: the port is taken, or one that only the administrator may use.
    """
    handler = type("Handler", (_Handler,), {"collection": Collection(results)})
    server = _Server((LOOPBACK, port), handler)
    try:
        yield server
    finally:
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a reader who went away in the middle is no error of this server."""


def _address(target: str) -> SplitResult | None:
    try:
        return urlsplit(target)
    except ValueError:  # brackets that hold no address
        return None


def _page_number(query: str) -> int:
    """The `page` of a list that is asked for; the first for anything else."""
    asked = parse_qs(query).get("page", ["1"])[0]
    return int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 9 else 1


def _html(content: bytes) -> Answer:
    return Answer(HTTPStatus.OK, "text/html; charset=utf-8", content, PAGES)


def _text(status: HTTPStatus, sentence: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{sentence}\n".encode())


def _missing() -> Answer:
    return _text(HTTPStatus.NOT_FOUND, "There is nothing here.")

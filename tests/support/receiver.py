"""Who webhooks are sent to: a web server on loopback that keeps what it gets, and answers as it is told."""

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from tests.support.ports import free_pair
from tests.support.wire import PATIENCE, Map

Answer = int | Literal["hang", "reset", "drip", "noise", "hints"]
"""A status; or nothing at all, a broken connection, a byte now and then, something that is no HTTP, or that an answer
will come again and again."""

HANGING_SECONDS = 4 * PATIENCE
"""Longer than anybody who must not wait for it would be waited for."""

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"

DRIP_SECONDS = 0.02
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket whose close breaks the connection."""


class Delivery(NamedTuple):
    """One request as it came. `names` are those of its headers as they stood, `headers` has them in small letters."""

    path: str
    names: tuple[str, ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> Map:
        event: Map = json.loads(self.body)
        return event

    @property
    def seq(self) -> int:
        return int(self.event["seq"])

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """It listens from the moment it is made.

    Args:
        port: where, else one that is free and that nobody gets by chance once this one is closed.
        tls: with which it speaks https.

    """

    def __init__(self, port: int | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self._answers: deque[Answer] = deque()
        self._always: Answer = 200
        self._extra: dict[str, str] = {}
        self._before = b""
        self._changed = threading.Condition()
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            do_GET = do_POST  # noqa: N815 # the library's own names

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False  # they are waited for

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A peer that went away, or does not trust us, is what some tests are about."""

        self._server = Server(("127.0.0.1", port or free_pair()), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )  # the handshake is made in the thread that serves
        self.port = self._server.server_port
        self.origin = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="receiver")
        self._thread.start()

    def close(self) -> None:
        """Answer whoever still waits, and be away."""
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ what a test says and asks

    def answer(self, *answers: Answer, then: Answer = 200, before: bytes = b"", **extra: str) -> None:
        """Answer the next requests so, one after the other, and all that follow with `then`; `extra` are headers.

        `before`: what is sent before the status.
        """
        with self._changed:
            self._answers = deque(answers)
            self._always = then
            self._before = before
            self._extra = {name.replace("_", "-"): value for name, value in extra.items()}

    def release(self) -> None:
        """Break the connections of those who wait."""
        self._released.set()

    def first(self, count: int) -> list[Delivery]:
        """So many deliveries, once they are there."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.deliveries) >= count, PATIENCE)
            assert came, f"only {len(self.deliveries)} of {count} deliveries in {PATIENCE} s"
            return self.deliveries[:count]

    def until(self, seq: int) -> list[Delivery]:
        """All deliveries, once that event is among them."""
        with self._changed:
            came = self._changed.wait_for(lambda: any(one.seq == seq for one in self.deliveries), PATIENCE)
            assert came, f"event {seq} was not delivered in {PATIENCE} s, but {[one.seq for one in self.deliveries]}"
            return [*self.deliveries]

    # ------------------------------------------------------------ serving

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        with self._changed:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.deliveries.append(Delivery(request.path, tuple(request.headers), headers, body))
            answer = self._answers.popleft() if self._answers else self._always
            self._changed.notify_all()
        request.close_connection = True
        match answer:
            case "hang":
                self._released.wait(HANGING_SECONDS)
            case "drip":
                request.wfile.write(b"HTTP/1.1 2")
                while not self._released.wait(DRIP_SECONDS):
                    request.wfile.write(b"0")
            case "reset":
                request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                request.connection.close()
            case "noise":
                request.wfile.write(b"\x1b[2J no HTTP\r\n\r\n")
            case "hints":
                while not self._released.wait(DRIP_SECONDS):
                    request.wfile.write(HINT)
            case status:
                request.wfile.write(self._before)
                request.send_response(status)
                for name, value in self._extra.items():
                    request.send_header(name, value)
                request.end_headers()
                request.wfile.write(b"the answer's body is nobody's business")

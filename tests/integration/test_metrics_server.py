"""The port where metrics are read, with real sockets: who asks well is answered, and nobody holds anything up."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from itertools import pairwise

import pytest

from actors.metrics import server as server_module
from actors.metrics.server import END_OF_HEAD, HOST, MAX_CONNECTIONS, MAX_REQUEST_BYTES, REST, Server
from tests.support.ports import free_pair
from tests.support.processes import eventually
from tests.support.wire import PATIENCE

TEXT = b"rushes_jobs 1\n"
TYPE = "text/plain; version=0.0.4"


class Served:
    """A server on a port, and what it complained of."""

    def __init__(self, render: Callable[[], bytes] = lambda: TEXT) -> None:
        self.port = free_pair()
        self.failures: list[tuple[str, BaseException | None]] = []
        self.server = Server(self.port, lambda what, error: self.failures.append((what, error)))
        self.server.start(render, TYPE)

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), PATIENCE)

    def ask(self, method: str = "GET", path: str = "/metrics") -> tuple[HTTPResponse, bytes]:
        """One request, as any HTTP client makes it."""
        connection = HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def say(self, request: bytes) -> bytes:
        """Send bytes; all that comes until the other side ends."""
        with self.connect() as connection:
            connection.sendall(request)
            return until_end(connection)


def until_end(connection: socket.socket) -> bytes:
    found = b""
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass  # an end, too
    return found


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.server.stop()
    assert found.failures == []


def test_whoever_asks_for_the_metrics_gets_them(served: Served) -> None:
    for path in ("/metrics", "/metrics?debug=1"):
        response, body = served.ask(path=path)
        assert (response.status, body) == (200, TEXT)
        assert response.getheader("Content-Type") == TYPE


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/metrics/x", 404), ("POST", "/metrics", 405), ("DELETE", "/", 405)],
)
def test_whoever_asks_for_something_else_is_told_what_there_is(
    served: Served, method: str, path: str, status: int
) -> None:
    response, body = served.ask(method, path)
    assert response.status == status
    assert b"/metrics" in body


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\0\r\n\r\n", b"GET / x y\r\n\r\n"])
def test_what_is_no_request_is_refused(served: Served, request_: bytes) -> None:
    assert served.say(request_).startswith(b"HTTP/1.1 400 ")
    assert served.ask()[1] == TEXT


def test_a_request_without_end_is_refused(served: Served) -> None:
    # Not a byte more than is read: who hangs up on bytes that it has not read takes its own words back.
    reply = served.say(b"GET /metrics HTTP/1.1\r\nX: ".ljust(MAX_REQUEST_BYTES + len(END_OF_HEAD), b"x"))
    assert reply.startswith(b"HTTP/1.1 431 ")


def test_scrapers_that_hang_hold_up_no_other(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_SECONDS", 10 * PATIENCE)
    with ExitStack() as stack:
        hung = [stack.enter_context(served.connect()) for _ in range(MAX_CONNECTIONS // 2)]
        for connection in hung[::2]:
            connection.sendall(b"GET /metr")
        assert served.ask()[1] == TEXT
        # Where there are too many, the oldest go.
        hung += [stack.enter_context(served.connect()) for _ in range(MAX_CONNECTIONS)]
        assert served.ask()[1] == TEXT
        assert until_end(hung[0]) == b""


def test_a_scraper_that_hangs_is_left_in_the_end(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_SECONDS", 0.05)
    with served.connect() as silent, served.connect() as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert until_end(silent) == until_end(slow) == b""


def test_one_who_asks_and_does_not_read_is_left_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_SECONDS", 0.5)
    is_asked = threading.Event()

    def render() -> bytes:
        is_asked.set()
        return b"x" * 50_000_000  # more than the kernel takes

    served = Served(render)
    with served.connect() as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert is_asked.wait(PATIENCE)
        eventually(lambda: not served.server._open, "it is left")
        assert len(until_end(connection)) < 50_000_000
    served.server.stop()


def test_it_ends_at_once_and_gives_the_port_up_whoever_is_connected() -> None:
    served = Served()
    with served.connect() as silent, served.connect() as asking:
        asking.sendall(b"GET /metrics HTTP/1.1\r\n")
        eventually(lambda: len(served.server._open) == 2, "both are connected")
        served.server.stop()
        assert not any(thread.name == "metrics" for thread in threading.enumerate())
        assert until_end(silent) == until_end(asking) == b""
        with pytest.raises(ConnectionRefusedError):
            served.connect()
        again = Server(served.port, lambda *_: None)  # connections that it ended linger in the kernel
        again.start(lambda: TEXT, TYPE)
        again.stop()
    assert served.failures == []


def test_a_defect_is_told_of_and_the_next_scrape_is_another() -> None:
    faults = [ZeroDivisionError("a defect")]

    def render() -> bytes:
        if faults:
            raise faults.pop()
        return TEXT

    served = Served(render)
    response, body = served.ask()
    assert (response.status, b"log" in body) == (500, True)
    assert served.ask()[1] == TEXT
    served.server.stop()
    [(what, error)] = served.failures
    assert "metrics" in what
    assert isinstance(error, ZeroDivisionError)


def test_however_many_ask_most_of_the_time_is_left_to_the_daemon() -> None:
    looks: list[tuple[float, float]] = []

    def render() -> bytes:
        began = time.monotonic()
        time.sleep(0.01)
        looks.append((began, time.monotonic()))
        return TEXT

    served = Served(render)
    with ThreadPoolExecutor(8) as pool:
        assert {body for _, body in pool.map(lambda _: served.ask(), range(16))} == {TEXT}
    served.server.stop()
    assert len(looks) == 16
    for (began, ended), (following, _) in pairwise(looks):
        assert following - ended >= REST * (ended - began)


def test_a_port_in_use_is_an_error_of_whoever_wants_it(served: Served) -> None:
    with pytest.raises(OSError, match="in use"):
        Server(served.port, lambda *_: None)

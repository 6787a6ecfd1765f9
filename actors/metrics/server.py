"""The port where metrics are read: HTTP, on loopback alone, in one thread of its own.

Nothing in a scrape says who is asking, so nobody but this machine may ask; whoever wants it elsewhere puts a reverse
proxy of his choice before it. The servers that prometheus_client brings give every connection a thread for as long as
it likes, and ask the name service for a name of 127.0.0.1 before they bind; here nobody costs more than a few KB and
some seconds, and however many ask, a fifth of a core.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

HOST = "127.0.0.1"

PATH = b"/metrics"

WAITING = 16
"""Connections that the kernel keeps until they are taken."""

MAX_CONNECTIONS = 64
"""At once; the oldest goes for one more. One that asks at once is answered within milliseconds, and is never that."""

MAX_REQUEST_BYTES = 16 * 1024
"""Of a request's line and headers. Prometheus sends 300."""

PATIENCE_SECONDS = 5.0
"""From the connection to the end of the answer; half of what Prometheus gives a scrape by default."""

REST = 4.0
"""How much longer than it took the next text has to wait: so scrapes take a fifth of the interpreter's time at most."""

STOP_SECONDS = 2.0
"""How long the thread may take to end: milliseconds, unless it looks at a disk that does not answer."""

END_OF_HEAD = b"\r\n\r\n"


class Server:
    """Bound by whoever makes it, so that a failure is raised there; serves from `start` to `stop`.

    Args:
        port: of 127.0.0.1.
        failed: called from the server's thread with what went wrong there, and the error if there is one.

    Raises:
        OSError: the port is in use, or may not be used.

    """

    def __init__(self, port: int, failed: Callable[[str, BaseException | None], None]) -> None:
        self._failed = failed
        self._socket = socket.create_server((HOST, port), backlog=WAITING)
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._on_error)
        self._stopping = asyncio.Event()
        self._open: dict[asyncio.Task[Any], None] = {}
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self, render: Callable[[], bytes], content_type: str) -> None:
        """Answer from now on; `render` makes the text, in the server's thread."""
        self._render = render
        self._content_type = content_type
        self._thread.start()

    def stop(self) -> None:
        """Give the port up, whoever is connected."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_SECONDS)

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, sock=self._socket, limit=MAX_REQUEST_BYTES)
        await self._stopping.wait()
        server.close()
        tasks = [*self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # for what is done once they have ended

    def _on_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """asyncio's hook, such as for an `accept` without a descriptor left: it listens again a second later."""
        self._failed(str(context["message"]), context.get("exception"))

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody came. Where there are too many, the first who came has to go."""
        if len(self._open) >= MAX_CONNECTIONS:
            first = next(iter(self._open))
            del self._open[first]
            first.cancel()
        task = self._loop.create_task(self._converse(reader, writer))
        self._open[task] = None

        def ended(task: "asyncio.Task[None]") -> None:
            self._open.pop(task, None)
            writer.transport.abort()

        task.add_done_callback(ended)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(0)  # `drain` is to wait until the kernel has all of it
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                writer.write(await self._answer(await reader.readuntil(END_OF_HEAD)))
                await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_reply(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # it was too slow, or has gone

    async def _answer(self, head: bytes) -> bytes:
        match head.partition(b"\r\n")[0].split(b" "):
            case [b"GET", target, _] if target.partition(b"?")[0] == PATH:
                return await self._metrics()
            case [b"GET", _, _]:
                return _reply(HTTPStatus.NOT_FOUND, b"The metrics are at /metrics.\n")
            case [_, _, _]:
                return _reply(HTTPStatus.METHOD_NOT_ALLOWED, b"There is only GET /metrics.\n")
        return _reply(HTTPStatus.BAD_REQUEST)

    async def _metrics(self) -> bytes:
        async with self._turn:
            await asyncio.sleep(self._next_at - self._loop.time())
            began = self._loop.time()
            try:
                return _reply(HTTPStatus.OK, self._render(), self._content_type)
            except Exception as error:  # noqa: BLE001 # told, for the log; the next scrape is another
                self._failed("the metrics could not be read", error)
                return _reply(HTTPStatus.INTERNAL_SERVER_ERROR, b"A defect; the daemon's log has the details.\n")
            finally:
                ended = self._loop.time()
                self._next_at = ended + REST * (ended - began)


def _reply(status: HTTPStatus, body: bytes = b"", content_type: str = "text/plain; charset=utf-8") -> bytes:
    """An answer after which the connection ends."""
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET")
    return "\r\n".join(lines).encode() + END_OF_HEAD + body

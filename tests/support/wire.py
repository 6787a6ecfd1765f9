"""The bus as a stranger in another language speaks it: ZeroMQ and msgpack, and nothing of ours."""

import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgpack
import zmq

Map = dict[str, Any]

PATIENCE = 30.0
"""Seconds after which a wait has failed. Long, since it costs nothing while all is well."""

LOOK_MS = 200
"""How often one who waits looks whether there is still somebody to wait for."""


def sockets_of(bus: str) -> tuple[str, str]:
    """The endpoints for commands and for events behind a bus address: section 1 of the protocol."""
    if bus.startswith("ipc://"):
        return f"{bus}/commands", f"{bus}/events"
    host, _, port = bus.rpartition(":")
    return bus, f"{host}:{int(port) + 1}"


def new_id() -> str:
    return uuid.uuid4().hex


def command(kind: str, fields: Map) -> Map:
    """A command's body; `fields` may bring an `id` of their own."""
    return {"v": 1, "id": new_id(), "type": kind, **fields}


def pack(body: object) -> bytes:
    packed: bytes = msgpack.packb(body)
    return packed


class Asking:
    """What DEALER and REQ have in common: a command goes out, its reply comes back.

    Args:
        bus: the bus address.
        kind: the ZeroMQ socket type.
        alive: whether there is still a daemon that could reply.

    """

    def __init__(self, bus: str, kind: int, alive: Callable[[], bool]) -> None:
        self._alive = alive
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self.socket = context.socket(kind)
        self.socket.linger = 0
        self.socket.reconnect_ivl = 5
        self.socket.ipv6 = "[" in bus
        self.socket.connect(sockets_of(bus)[0])
        self._early: dict[str | None, Map] = {}

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send_frames(self, *frames: bytes) -> None:
        self.socket.send_multipart(frames)

    def receive(self, timeout: float = PATIENCE) -> Map:
        """The next reply, whichever command it answers."""
        end = time.monotonic() + timeout
        while not self.socket.poll(LOOK_MS):
            if time.monotonic() > end:
                raise TimeoutError(f"no reply within {timeout} s")
            if not self._alive() and not self.socket.poll(LOOK_MS):
                raise TimeoutError("no reply, and the daemon has ended")
        reply: Map = msgpack.unpackb(self.socket.recv_multipart()[-1])
        return reply

    def send(self, kind: str, **fields: Any) -> str:
        """Send a command and go on; its id."""
        body = command(kind, fields)
        self.send_frames(pack(body))
        return str(body["id"])

    def reply_to(self, command_id: str | None, timeout: float = PATIENCE) -> Map:
        """The reply to one of the commands that were sent, in whatever order they come."""
        end = time.monotonic() + timeout
        while command_id not in self._early:
            reply = self.receive(max(0.0, end - time.monotonic()))
            self._early[reply["re"]] = reply
        return self._early.pop(command_id)

    def ask(self, kind: str, **fields: Any) -> Map:
        """Send a command; its whole reply."""
        return self.reply_to(self.send(kind, **fields), PATIENCE + float(fields.get("wait") or 0))

    def result(self, kind: str, **fields: Any) -> Map:
        """Send a command that must be done; its result."""
        reply = self.ask(kind, **fields)
        assert reply["ok"] is True, f"{kind} was refused: {reply.get('error')}"
        result: Map = reply["result"]
        return result

    def refusal(self, kind: str, **fields: Any) -> Map:
        """Send a command that must be refused; its error."""
        reply = self.ask(kind, **fields)
        assert reply["ok"] is False, f"{kind} was not refused: {reply.get('result')}"
        error: Map = reply["error"]
        return error


class Dealer(Asking):
    """One frame, the body; any number under way."""

    def __init__(self, bus: str, alive: Callable[[], bool] = lambda: True) -> None:
        super().__init__(bus, zmq.DEALER, alive)


class Requester(Asking):
    """A REQ socket: it puts the usual empty frame first by itself."""

    def __init__(self, bus: str, alive: Callable[[], bool] = lambda: True) -> None:
        super().__init__(bus, zmq.REQ, alive)


class Heard(NamedTuple):
    """One event as it came over the socket."""

    topic: str
    event: Map


class Listener:
    """A subscriber. Once it is made it hears all: it has waited for a heartbeat, which proves that.

    One that is not `proven` may miss what is published before its subscription has arrived.
    """

    def __init__(self, bus: str, topic: str = "", *, proven: bool = True) -> None:
        self._topic = topic
        self.heard: list[Heard] = []
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        self._socket = context.socket(zmq.SUB)
        self._socket.linger = 0
        self._socket.reconnect_ivl = 5
        self._socket.rcvhwm = 0
        self._socket.subscribe(topic.encode())
        self._socket.subscribe(b"daemon.heartbeat")
        self._socket.connect(sockets_of(bus)[1])
        if proven:
            self.await_heartbeat()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def forget(self) -> None:
        """Hear only what comes from now on."""
        while self._socket.poll(0):
            self._socket.recv_multipart()
        self.heard.clear()

    def await_heartbeat(self) -> Map:
        """The next heartbeat. What was published before it has been heard then."""
        end = time.monotonic() + PATIENCE
        while True:
            heard = self.receive(end - time.monotonic())
            assert heard is not None, f"no heartbeat within {PATIENCE} s"
            if heard.event["type"] == "daemon.heartbeat":
                return heard.event

    def wait_for(self, kind: str, job_id: str | None = None, timeout: float = PATIENCE, **data: Any) -> Map:
        """The first event of that type, heard already or still to come, whose `data` has these entries."""
        end = time.monotonic() + timeout
        at = 0
        while True:
            for heard in self.heard[at:]:
                event = heard.event
                fits = event["type"] == kind and job_id in (None, event["job_id"])
                if fits and data.items() <= event["data"].items():
                    return event
            at = len(self.heard)
            left = end - time.monotonic()
            if left <= 0 or self.receive(left) is None:
                types = [heard.event["type"] for heard in self.heard]
                raise TimeoutError(f"no {kind} {data or ''} of {job_id or 'any job'} in {timeout} s, but {types}")

    def progress(self, job_id: str) -> float:
        """How far a job is, once that is told to be farther than nothing: at first FFmpeg may have said nothing yet."""
        end = time.monotonic() + PATIENCE
        while True:
            for _, event in self.heard:
                if event["type"] == "job.progress" and event["job_id"] == job_id and event["data"]["progress"]:
                    return float(event["data"]["progress"])
            if self.receive(end - time.monotonic()) is None:
                raise TimeoutError(f"no progress of {job_id} in {PATIENCE} s")

    def events(self, job_id: str | None = None) -> list[Map]:
        """The durable events heard so far, of one job or of all."""
        return [
            heard.event
            for heard in self.heard
            if heard.event["seq"] is not None and job_id in (None, heard.event["job_id"])
        ]

    def receive(self, seconds: float) -> Heard | None:
        """The next event, ephemeral ones too; None where so many seconds pass without one."""
        if seconds <= 0 or not self._socket.poll(int(seconds * 1000) + 1):
            return None
        frames = self._socket.recv_multipart()
        assert len(frames) == 2, f"an event is topic and body, not {len(frames)} frames"
        heard = Heard(frames[0].decode(), msgpack.unpackb(frames[1]))
        if heard.topic.startswith(self._topic):
            self.heard.append(heard)
        return heard

"""What a request needs, whichever client sends it: an id, a checked spec, patience, and a reply read. No socket."""

import uuid
from collections.abc import Mapping
from typing import Any, TypeVar
from weakref import WeakSet

import msgspec
import zmq

from bus import codec
from bus import messages as m
from bus.address import check_owner, default_address, endpoints, ipc_folder, is_ipv6, is_set
from bus.errors import REFUSALS, Internal, Invalid, NoDaemon

T = TypeVar("T")

DEADLINE_SECONDS = 5.0
"""How long a request waits for its reply (a `wait` comes on top) before `NoDaemon`."""

RESEND_SECONDS = 1.0
"""A request without an answer is sent again this often; its id makes that safe. A daemon restarts in less."""

RESEND_HELD_SECONDS = 5.0
"""The same where the reply is held on purpose: each time it is sent again, the daemon holds one reply more."""

WAIT_STEP_SECONDS = 60.0
"""`wait` without a timeout asks again this often, which is also how it notices that the daemon is gone."""

ENDED: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
"""Where a `wait` ends."""


def new_id() -> str:
    """A command id that no other command has."""
    return uuid.uuid4().hex


def job_spec(job: m.JobSpec | Mapping[str, Any]) -> m.JobSpec:
    """A spec from plain data, checked here as the daemon would.

    Raises:
        Invalid: a field is missing, unknown or mistyped; `details["path"]` names it.

    """
    try:
        body = codec.encode({"v": 1, "id": "check", "type": "submit", "job": msgspec.to_builtins(job)})
    except OverflowError:
        raise Invalid.at("job", "it holds a number of more than 64 bits, which the bus cannot carry") from None
    command = codec.decode_command(body)[1]
    if isinstance(command, Exception):
        raise command
    assert isinstance(command, m.Submit)
    return command.job


def read_reply(reply: m.Reply, kind: type[T]) -> T:
    """The typed result of a reply, or its error raised.

    Raises:
        CommandRefused: the one for the reply's code.

    """
    if reply.ok:
        return msgspec.convert(reply.result, codec.known(kind))
    error = reply.error or m.ReplyError("internal", "the reply carries neither result nor error")
    raise REFUSALS.get(error.code, Internal)(error.message, error.details)


class Copies:
    """One command as it is sent and sent again: while a daemon is away, two copies wait for it and no more."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._is_first = True
        self._repetition: zmq.MessageTracker | None = None

    def next(self) -> bytes | zmq.Frame | None:
        """What to send now, without a copy where it is a frame; None while a repetition has not left yet."""
        if self._is_first:
            self._is_first = False
            return self._body
        if self._repetition is not None and not self._repetition.done:
            return None
        frame = zmq.Frame(self._body, track=True, copy=False, copy_threshold=0)
        self._repetition = frame.tracker
        return frame


class Connection:
    """What both clients hold: the address, and the sockets to it. Used by one thread, as its sockets are."""

    def __init__(self, bus: str | None) -> None:
        self.address = bus or default_address()
        self.endpoints = endpoints(self.address)
        folder = ipc_folder(self.address)
        if folder is not None:
            check_owner(folder, is_named=bus is not None or is_set())
        self._sockets: WeakSet[Any] = WeakSet()

    def socket(self, context: "zmq.Context[Any]", kind: int) -> Any:
        """A socket that outlives restarts of the daemon, not yet connected.

        `context` is the process's own, which is never collected: a context of each client's, forgotten in a cycle with
        its sockets, would wait for them for ever in the garbage collector.
        """
        socket = context.socket(kind)
        self._sockets.add(socket)
        socket.linger = 0
        socket.ipv6 = is_ipv6(self.endpoints.commands)
        socket.reconnect_ivl = 20  # ms: a daemon that comes back is found at once
        socket.reconnect_ivl_max = 500
        return socket

    def dealer(self, context: "zmq.Context[Any]") -> Any:
        """A connected socket for commands. What it could not send yet is dropped when it is closed.

        Not `immediate`, which would hold nothing for a daemon that is away: with it libzmq also drops the replies
        that have come and are not yet read when a daemon ends, and a `shutdown` would seem to go unanswered.
        """
        socket = self.socket(context, zmq.DEALER)
        socket.connect(self.endpoints.commands)
        return socket

    def close(self) -> None:
        """Let go of all sockets."""
        for socket in list(self._sockets):
            socket.close()

    def no_daemon(self, seconds: float) -> NoDaemon:
        """What to raise when nobody answered for that long."""
        where = f"no daemon answered at {self.address} within {seconds:.3g} s"
        return NoDaemon(f"{where}; is `rushes serve` running? `rushes doctor` tells")


def milliseconds(seconds: float) -> int:
    """A time for zmq's `poll`, which counts whole milliseconds: never shorter than it was meant."""
    return max(0, int(seconds * 1000) + 1)

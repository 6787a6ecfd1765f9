"""The one thread that owns the bus's sockets: commands in, replies and events out, mail between actors.

    clients ──DEALER/REQ──▶ ROUTER ─┐                 ┌─▶ inboxes of actors, by address
                                    ├─▶ the hub ──────┼─▶ ROUTER ──▶ the client that asked
    actors ──PUSH (inproc)──▶ PULL ─┘                 └─▶ XPUB ──▶ whoever subscribed

The hub decodes and authorizes a command once and hands it to the actor whose work it is. It knows no actor's insides
and never waits for one.
"""

import fcntl
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import zmq

from bus import auth, codec, limits
from bus.address import check_owner, endpoints, ipc_folder, is_ipv6, is_loopback
from bus.backpressure import BigReplies
from bus.errors import BadAddress, Busy, CommandRefused, Invalid
from bus.messages import AnyCommand, Reply, ReplyError
from bus.outbox import EVENT, HUB_INBOX, MAIL, OPEN, REPLY, STOP, Outbox

MAX_INBOX = 50_000
"""Commands that may wait in one actor's inbox. Beyond, the sender is told `busy`: some seconds' work at most."""

MAX_INBOX_BYTES = 32 * 1024 * 1024
"""The same in bytes: decoded, a command takes some times as much."""

BIG_REPLY_BYTES = 16 * 1024
BIG_REPLIES_BYTES = 32 * 1024 * 1024
"""Replies from the first size on are counted until they have left: a client that does not take them gets no more than
the second. So a client holds at the most that and REPLIES_PER_CLIENT small ones."""

REPLIES_PER_CLIENT = 50_000
"""Replies held for a client that does not read them; what comes after is dropped, and a resend asks for it again."""

EVENTS_PER_SUBSCRIBER = 20_000
"""Events held for a slow subscriber; what comes after is dropped, and `events` gives it back."""

MAX_ENVELOPE = 16
"""Frames before a command's body: a peer's own address and the empty one, and as many proxies as anybody has."""

BATCHES_TO_HUB = 1000
"""Batches that actors may have under way to the hub before their `flush` blocks."""

BURST = 256
"""Messages taken from one socket before the others have their turn."""

LINGER_MS = 1000
"""How long a closing hub goes on handing over what it has sent: a reader on this machine needs milliseconds."""


class Request(NamedTuple):
    """A command on its way to its actor, with who asks, the way back, and the bytes that it came in.

    `prepared`: what an actor on its way has found out for the one that decides.
    """

    command: AnyCommand
    by: str
    envelope: tuple[bytes, ...]
    size: int = 0
    prepared: Any = None


class Pending(NamedTuple):
    """What waits in an inbox: messages, and the bytes of the commands among them."""

    messages: int
    size: int


class Inbox(Protocol):
    """Where an actor gets what is addressed to it. Called from the hub's thread; must not block."""

    def put(self, message: "Request | bytes") -> None:
        """Take a message."""

    def pending(self) -> Pending:
        """How much waits."""


class Hub:
    """Binds in the thread that makes it (so that a failure is raised there), then runs in a thread of its own.

    Clients are served once an actor has said `open_hub`; until then ZeroMQ keeps what they send.

    Args:
        address: the bus address to bind.
        route: which actor's work a command is.
        guard: who may send what.
        notice: called from the hub's thread with an event name and its keys, for the log.
        failed: called from the hub's thread when it dies of an error.

    Raises:
        BadAddress: the address cannot be used, or another daemon holds it.

    """

    def __init__(
        self,
        address: str,
        route: Callable[[AnyCommand], str],
        guard: auth.Guard,
        notice: Callable[[str, Mapping[str, Any]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._route = route
        self._guard = guard
        self._notice = notice
        self._failed = failed
        self._inboxes: dict[str, Inbox] = {}
        self._lock_fd: int | None = None
        self._files: list[Path] = []
        self._big_replies = BigReplies(BIG_REPLIES_BYTES)
        self._thread = threading.Thread(target=self._run, name="hub")
        try:
            self._claim(address)
            self._pull = self._socket(zmq.PULL, rcvhwm=BATCHES_TO_HUB)
            self._pull.bind(HUB_INBOX)
            self._router = self._socket(
                zmq.ROUTER, sndhwm=REPLIES_PER_CLIENT, router_mandatory=1, maxmsgsize=limits.MAX_FRAME_BYTES
            )
            self._router.copy_threshold = BIG_REPLY_BYTES
            self._xpub = self._socket(zmq.XPUB, sndhwm=EVENTS_PER_SUBSCRIBER, maxmsgsize=limits.MAX_BODY_BYTES)
            self._bind(address)
        except BaseException:
            self.context.destroy(linger=0)
            self._release()
            raise

    # ------------------------------------------------------------ used by the other threads

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def outbox(self) -> Outbox:
        """A sending end for the calling thread."""
        return Outbox(self.context)

    def register(self, address: str, inbox: Inbox) -> None:
        """Deliver what is sent to `address` to `inbox` from now on. Any thread."""
        self._inboxes[address] = inbox

    def hand_over(self, address: str, request: Request) -> CommandRefused | None:
        """Put a command into an actor's inbox, where it has room; else what to tell the client. Any thread."""
        inbox = self._inboxes.get(address)
        if inbox is None:
            return Busy("the daemon is starting or repairing this part; try again")
        pending = inbox.pending()
        if pending.messages >= MAX_INBOX or pending.size >= MAX_INBOX_BYTES:
            return Busy(f"{pending.messages} commands are waiting; try again", {"limit": MAX_INBOX})
        inbox.put(request)
        return None

    def post(self, address: str, mail: bytes) -> None:
        """Deliver mail at once, for one who has no outbox. Any thread."""
        self._deliver(address, mail)

    def unregister(self, address: str, inbox: Inbox) -> None:
        """Deliver nothing more to `inbox`. Any thread."""
        if self._inboxes.get(address) is inbox:
            del self._inboxes[address]

    def addresses(self) -> list[str]:
        """Who can be reached now. Any thread."""
        return sorted(self._inboxes)

    def stop(self) -> None:
        """Send what is under way, then end. Called once, from the thread that made the hub."""
        if self._thread.is_alive():
            outbox = self.outbox()
            outbox.stop_hub()
            outbox.flush()
            self._thread.join()
            outbox.close()
        for socket in (self._router, self._xpub, self._pull):
            socket.close(linger=LINGER_MS)
        self.context.term()
        for file in self._files:
            file.unlink(missing_ok=True)  # libzmq leaves them
        self._release()

    # ------------------------------------------------------------ binding

    def _socket(self, kind: int, **options: int) -> "zmq.Socket[bytes]":
        socket = self.context.socket(kind)
        socket.linger = LINGER_MS
        for name, value in options.items():
            setattr(socket, name, value)
        return socket

    def _claim(self, address: str) -> None:
        """Make the ipc folder and lock it: a second bind on an ipc path would silently steal the first."""
        folder = ipc_folder(address)
        if folder is None:
            if not is_loopback(address):
                raise BadAddress(
                    f"bus address {address} is not known to be this machine's alone; without keys only loopback is "
                    "bound: tcp://127.0.0.1:PORT, tcp://localhost:PORT or tcp://[::1]:PORT"
                )
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_owner(folder)
            self._lock_fd = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadAddress(f"another daemon serves {address}") from None
        except OSError as error:
            raise BadAddress(f"bus folder {folder} cannot be used: {error.strerror}") from error

    def _bind(self, address: str) -> None:
        for socket, endpoint in zip((self._router, self._xpub), endpoints(address), strict=True):
            socket.ipv6 = is_ipv6(endpoint)
            try:
                socket.bind(endpoint)
            except zmq.ZMQError as error:
                raise BadAddress(f"cannot bind {endpoint}: {error.strerror}") from error
            if endpoint.startswith("ipc://"):
                self._files.append(Path(endpoint.removeprefix("ipc://")))

    def _release(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)  # the file stays: unlinking a lock lets two hold it
            self._lock_fd = None

    # ------------------------------------------------------------ the thread

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # noqa: BLE001 # the thread's last word; the daemon ends itself on it
            self._failed(error)

    def _serve(self) -> None:
        poller = zmq.Poller()
        for socket in (self._pull, self._xpub):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._pull in ready and not self._drain_actors(poller):
                return
            if self._router in ready:
                self._drain_clients()
            if self._xpub in ready:
                self._drain_subscriptions()

    def _drain_actors(self, poller: zmq.Poller) -> bool:
        """Deliver what actors sent. False once the hub was asked to stop, and nothing more is under way."""
        taken, stopping = 0, False
        while stopping or taken < BURST:
            taken += 1
            try:
                frames = self._pull.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return not stopping
            at = 0
            while at < len(frames):
                kind = frames[at]
                if kind == REPLY:
                    end = at + 2 + frames[at + 1][0]
                    self._send_reply(frames[at + 2 : end + 1])
                    at = end + 1
                elif kind == EVENT:
                    self._xpub.send_multipart(frames[at + 1 : at + 3], zmq.NOBLOCK)
                    at += 3
                elif kind == MAIL:
                    self._deliver(frames[at + 1].decode(), frames[at + 2])
                    at += 3
                elif kind == OPEN:
                    poller.register(self._router, zmq.POLLIN)
                    at += 1
                else:
                    # It came on a pipe of its own, and has overtaken what stands in the actors' pipes: empty those.
                    assert kind == STOP
                    stopping = True
                    at += 1
        return True

    def _deliver(self, address: str, mail: bytes) -> None:
        inbox = self._inboxes.get(address)
        if inbox is not None:
            inbox.put(mail)  # nobody there: the sender is older news than the receiver's end

    def _drain_subscriptions(self) -> None:
        """Subscriptions need no answer; libzmq has noted them. They are only taken off the socket."""
        for _ in range(BURST):
            try:
                self._xpub.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return

    def _drain_clients(self) -> None:
        for _ in range(BURST):
            try:
                # The routing id is copied, the last frame is not: its `Peer-Address` says who sent it.
                frames = [self._router.recv(zmq.NOBLOCK)]
            except zmq.Again:
                return
            last: zmq.Frame | None = None
            while self._router.rcvmore:
                if last is not None:
                    frames.append(last.bytes)
                last = self._router.recv(copy=False)
            if last is not None:
                self._take(frames, last)

    def _take(self, head: list[bytes], last: zmq.Frame) -> None:
        """Decode, authorize and hand over one command, or reply what is wrong with it."""
        # A DEALER sends the body alone; a REQ (or a proxy before one) closes its envelope with an empty frame.
        envelope = tuple(head)
        if len(head) > MAX_ENVELOPE or (len(head) > 1 and head[-1] != b""):
            self._refuse(
                envelope[:1],
                None,
                Invalid.at(codec.ROOT, "a command is one frame, after an empty one from a REQ"),
            )
            return
        command_id, command = codec.decode_command(last.buffer)
        if isinstance(command, CommandRefused):
            self._refuse(envelope, command_id, command)
            return
        by = auth.identity(str(last.get("Peer-Address")))
        try:
            self._guard.check(by, str(command.__struct_config__.tag))
        except CommandRefused as refusal:
            self._refuse(envelope, command_id, refusal)
            return
        full = self.hand_over(self._route(command), Request(command, by, envelope, len(last)))
        if full is not None:
            self._refuse(envelope, command_id, full)

    def _refuse(self, envelope: tuple[bytes, ...], command_id: str | None, refusal: CommandRefused) -> None:
        self._send_reply([*envelope, refusal_body(command_id, refusal)])

    def _send_reply(self, frames: list[bytes]) -> None:
        try:
            if len(frames[-1]) < BIG_REPLY_BYTES:
                self._router.send_multipart(frames, zmq.NOBLOCK)
            elif self._big_replies.may_send(frames[0], len(frames[-1])):
                tracker = self._router.send_multipart(frames, zmq.NOBLOCK, copy=False, track=True)
                assert tracker is not None, "it was asked for"
                self._big_replies.sent(frames[0], len(frames[-1]), tracker)
            else:
                self._notice("reply_dropped", {"why": "the client does not read its large replies"})
        except zmq.Again:
            self._notice("reply_dropped", {"why": "the client does not read its replies"})
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._notice("reply_dropped", {"why": "the client has gone"})


def refusal_body(command_id: str | None, refusal: CommandRefused) -> bytes:
    """The reply that tells a client why not."""
    error = ReplyError(refusal.code, refusal.message, refusal.details)
    return codec.encode(Reply(v=limits.PROTOCOL_VERSION, re=command_id, ok=False, error=error))


def result_body(command_id: str, result: Any) -> bytes:
    """The reply to a command that was done; `result` is one of the result structs."""
    return codec.encode({"v": limits.PROTOCOL_VERSION, "re": command_id, "ok": True, "result": result})

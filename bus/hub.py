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
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq

from bus import auth, codec, limits
from bus.address import check_owner, endpoints, ipc_folder, is_ipv6, is_loopback
from bus.anteroom import Anteroom, Refused
from bus.backpressure import NOW, UNREAD, Replies
from bus.door import Door
from bus.errors import BadAddress, CommandRefused, Invalid
from bus.inbox import Inbox, Request
from bus.lines import Bounds
from bus.messages import AnyCommand
from bus.outbox import EVENT, HUB_INBOX, MAIL, OPEN, REPLY, STOP, Outbox
from bus.publisher import EVENTS_PER_SUBSCRIBER, Publisher
from bus.replies import refusal_body
from bus.traffic import Traffic

MAX_INBOX = 50_000
"""Commands that may wait for one actor. Beyond, whoever has sent most of them is told `busy`."""

MAX_INBOX_BYTES = 32 * 1024 * 1024
"""The same in bytes: decoded, a command takes some times as much."""

COMMANDS_PER_CLIENT = 32
"""Commands of one client that libzmq reads ahead of the hub; the rest stays with the client. Of the largest frames
that is COMMANDS_PER_CLIENT * MAX_FRAME_BYTES."""

REPLIES_BYTES = 32 * 1024 * 1024
"""Replies under way to one client: one that does not read gets no more, and a resend asks for them again."""

ALL_REPLIES_BYTES = 256 * 1024 * 1024
"""The same to all clients together: where it is reached, one who does not read gets next to nothing more."""

REPLIES_PER_CLIENT = 50_000
"""The same in replies, for small ones; libzmq counts these."""

MAX_ENVELOPE = 16
"""Frames before a command's body: a peer's own address and the empty one, and as many proxies as anybody has."""

BATCHES_TO_HUB = 1000
"""Batches that actors may have under way to the hub before their `flush` blocks."""

BURST = 256
"""Messages taken from one socket before the others have their turn."""

BURST_SECONDS = 0.02
"""The same in time: a megabyte that is no command may take long to refuse."""

DROPPED_SECONDS = 1.0
"""Between two lines in the log about replies that were not taken, however many they are."""

LINGER_MS = 1000
"""How long a closing hub goes on handing over what it has sent: a reader on this machine needs milliseconds."""


class Hub:
    """Binds in the thread that makes it (so that a failure is raised there), then runs in a thread of its own.

    Clients are served once an actor has said `open_hub`; until then ZeroMQ keeps what they send.

    Args:
        address: the bus address to bind.
        route: which actor's work a command is.
        guard: who may send what.
        notice: called from the hub's thread with an event name and its keys, for the log.
        failed: called from the hub's thread when it dies of an error.
        turns: how many commands an actor takes at once, see `Anteroom`.
        traffic: where what passes is counted.

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
        turns: Mapping[str, int] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._route = route
        self._guard = guard
        self._notice = notice
        self._failed = failed
        self._traffic = traffic
        self._inboxes: dict[str, Inbox] = {}
        self._lock_fd: int | None = None
        self._files: list[Path] = []
        self._anteroom = Anteroom(self._inboxes, turns or {})
        self._replies = Replies(REPLIES_BYTES, ALL_REPLIES_BYTES)
        self._unread = 0  # replies that were dropped, and not yet told of
        self._tell_at = 0.0
        self._thread = threading.Thread(target=self._run, name="hub")
        try:
            self._claim(address)
            self._pull = self._socket(zmq.PULL, rcvhwm=BATCHES_TO_HUB)
            self._pull.bind(HUB_INBOX)
            self._router = self._socket(
                zmq.ROUTER,
                sndhwm=REPLIES_PER_CLIENT,
                rcvhwm=COMMANDS_PER_CLIENT,
                router_mandatory=1,
                maxmsgsize=limits.MAX_FRAME_BYTES,
            )
            self._xpub = self._socket(zmq.XPUB, sndhwm=EVENTS_PER_SUBSCRIBER, maxmsgsize=limits.MAX_TOPIC_BYTES)
            self._publisher = Publisher(self._xpub, traffic)
            self._bind(address)
            self._door = Door(self.context, (self._router, self._xpub), notice, failed, traffic)
        except BaseException:
            self.context.destroy(linger=0)
            self._release()
            raise

    # ------------------------------------------------------------ used by the other threads

    def start(self) -> None:
        """Begin to serve."""
        self._door.start()
        self._thread.start()

    def outbox(self) -> Outbox:
        """A sending end for the calling thread."""
        return Outbox(self.context)

    def register(self, address: str, inbox: Inbox) -> None:
        """Deliver what is sent to `address` to `inbox` from now on. Any thread."""
        self._inboxes[address] = inbox

    def hand_over(self, address: str, *requests: Request) -> list[Refused]:
        """Have commands wait for an actor; the caller replies to what cannot wait any longer. Any thread."""
        return self._anteroom.take(address, requests, Bounds(MAX_INBOX, MAX_INBOX_BYTES))

    def feed(self, address: str) -> None:
        """Hand over what waits for an actor, whose turn begins. Any thread."""
        self._anteroom.feed(address)

    def wake(self, address: str) -> None:
        """See that an actor, which has taken what it had, has another turn where more waits for it. Any thread."""
        self._anteroom.wake(address)

    def post(self, address: str, mail: bytes) -> None:
        """Deliver mail at once, for one who has no outbox. Any thread."""
        self._deliver(address, mail)

    def unregister(self, address: str, inbox: Inbox) -> None:
        """Deliver nothing more to `inbox`. Any thread."""
        with self._anteroom.lock:
            if self._inboxes.get(address) is inbox:
                del self._inboxes[address]

    def waiting(self) -> dict[str, int]:
        """How many commands wait for each actor. Any thread."""
        return self._anteroom.waiting()

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
        self._door.join()
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
            raise BadAddress(f"another daemon serves {address}; end it first, or choose another with --bus") from None
        except OSError as error:
            raise BadAddress(f"bus folder {folder} cannot be used: {error.strerror}") from error

    def _bind(self, address: str) -> None:
        """Bind both sockets."""
        for socket, endpoint in zip((self._router, self._xpub), endpoints(address), strict=True):
            socket.ipv6 = is_ipv6(endpoint)
            try:
                socket.bind(endpoint)
            except zmq.ZMQError as error:
                reason = zmq.strerror(error.errno or 0)
                raise BadAddress(f"cannot bind {endpoint}: {reason}; choose another with --bus") from error
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
            ready = dict(poller.poll(self._patience()))
            is_open = self._pull not in ready or self._drain_actors(poller)
            if self._router in ready and is_open:
                self._drain_clients()
            if self._xpub in ready:
                self._publisher.drain()
            self._refuse_all(self._anteroom.sweep())
            if self._unread and (time.monotonic() >= self._tell_at or not is_open):
                self._tell_dropped()
            if not is_open:
                return

    def _patience(self) -> int | None:
        """Milliseconds to wait for a message, None for as long as it takes."""
        return int(1000 * DROPPED_SECONDS) if self._unread else None

    def _drain_actors(self, poller: zmq.Poller) -> bool:
        """Deliver what actors sent. False once the hub was asked to stop, and nothing more is under way."""
        taken, stopping = 0, False
        while stopping or taken < BURST:
            taken += 1
            try:
                frames = codec.decode_plain(self._pull.recv(NOW))
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
                    self._publisher.send(frames[at + 1], frames[at + 2])
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

    def _drain_clients(self) -> None:
        """Take the commands that are there, and hand them over together: each time wakes an actor's thread."""
        taken: defaultdict[str, list[Request]] = defaultdict(list)
        end = time.monotonic() + BURST_SECONDS
        for _ in range(BURST):
            if time.monotonic() > end:
                break
            try:
                frame = self._router.recv(NOW, copy=False)
            except zmq.Again:
                break
            # The last frame is not copied: its `Peer-Address` says who sent it.
            head = []
            while frame.more:
                head.append(frame.bytes)
                frame = self._router.recv(copy=False)
            request = self._open(head, frame) if head else None
            if request is not None:
                taken[self._route(request.command)].append(request)
        for address, requests in taken.items():
            self._refuse_all(self.hand_over(address, *requests))

    def _open(self, head: list[bytes], last: zmq.Frame) -> Request | None:
        """Decode and authorize one command, or reply what is wrong with it."""
        # A DEALER sends the body alone; a REQ (or a proxy before one) closes its envelope with an empty frame.
        envelope = tuple(head)
        if len(head) > MAX_ENVELOPE or (len(head) > 1 and head[-1] != b""):
            self._refuse(
                envelope[:1],
                None,
                Invalid.at(codec.ROOT, "a command is one frame, after an empty one from a REQ"),
            )
            return None
        command_id, command = codec.decode_command(last.buffer)
        if isinstance(command, CommandRefused):
            self._refuse(envelope, command_id, command)
            return None
        if self._traffic is not None:
            self._traffic.came(envelope[0], command)
        by = auth.identity(str(last.get("Peer-Address")))
        try:
            self._guard.check(by, str(command.__struct_config__.tag))
        except CommandRefused as refusal:
            self._refuse(envelope, command_id, refusal)
            return None
        return Request(command, by, envelope, len(last))

    def _refuse_all(self, refused: Sequence[Refused]) -> None:
        for request, why in refused:
            self._refuse(request.envelope, request.command.id, why)

    def _refuse(self, envelope: tuple[bytes, ...], command_id: str | None, refusal: CommandRefused) -> None:
        self._send_reply([*envelope, refusal_body(command_id, refusal)])

    def _send_reply(self, frames: list[bytes]) -> None:
        if self._traffic is not None:
            self._traffic.replied(frames[0], frames[-1])
        dropped = self._replies.send(self._router, frames)
        if dropped is not None:
            self._unread += dropped == UNREAD  # that a client goes before its answer comes is nobody's trouble
            if self._traffic is not None:
                self._traffic.lost_replies[dropped] += 1

    def _tell_dropped(self) -> None:
        self._notice("reply_dropped", {"count": self._unread})
        self._unread = 0
        self._tell_at = time.monotonic() + DROPPED_SECONDS

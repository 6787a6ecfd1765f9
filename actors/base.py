"""What every actor of ours is: a pykka thread with an address on the bus, an outbox, and a last word.

pykka 4.5 leaves four things to us, and here they are handled once. A raising `on_start` fires no hook. `ask` hides
exceptions, so it is not used. An inbox has no bound, so the hub asks for its length before it puts a command in. And
a batch of messages is cheaper than one at a time, so what has piled up is taken together.
"""

import queue
import traceback
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, ClassVar

import pykka

from actors.logs import logger
from actors.mail import ActorDied, Mail
from bus import codec
from bus.errors import Busy
from bus.hub import Hub
from bus.inbox import Pending, Request
from bus.replies import refusal_body

SUPERVISOR = "supervisor"
QUEUE = "queue"
ARCHIVE = "archive"
JANITOR = "janitor"
ADMISSION = "admission"

WATCHDOG = "watchdog"
"""Where the Queue says that it is alive; nobody need be there."""

WORK_FOLDER = "work"
"""In the data folder: what each run of FFmpeg leaves there."""

MAX_BATCH = 256
"""Messages handled in one go: enough share a fsync, and nobody waits for long behind them."""


REPAIRED = "this part of the daemon is being repaired; send the same command again"
"""What an actor that dies leaves its clients with: the next one does not know of them."""

RENDER_PREFIX = "render/"


def render_address(job_id: str) -> str:
    """Where the Render actor of a job can be reached."""
    return RENDER_PREFIX + job_id


class ActorInbox:
    """An actor's inbox as the hub sees it."""

    def __init__(self, ref: "pykka.ActorRef[BusActor]") -> None:
        self._ref = ref
        self._in = Pending(0, 0)  # counted by one thread at a time, as `put` is called with commands
        self._out = Pending(0, 0)  # counted by the actor's thread alone

    def put(self, *messages: Request | bytes) -> None:
        """Take messages; those for an actor that has just ended are dropped, as they would be a moment later."""
        try:
            self._ref.tell([*messages])  # pykka's own messages are tuples
        except pykka.ActorDeadError:
            return
        sizes = _sizes(messages)
        if sizes:
            self._in = Pending(self._in.commands + len(sizes), self._in.size + sum(sizes))

    def taken(self, messages: Iterable[Request | bytes]) -> None:
        """The actor has begun to work at these."""
        sizes = _sizes(messages)
        self._out = Pending(self._out.commands + len(sizes), self._out.size + sum(sizes))

    def pending(self) -> Pending:
        """How much waits."""
        came, went = self._in, self._out
        return Pending(came.commands - went.commands, came.size - went.size)


def _sizes(messages: Iterable[Request | bytes]) -> list[int]:
    """Of the commands among them."""
    return [message.size for message in messages if isinstance(message, Request)]


class BusActor(pykka.ThreadingActor):
    """An actor with an address. Subclasses say what they read (`reads`) and implement `begin`, `receive`, `end`.

    All hooks run in the actor's own thread. An exception that leaves one ends the actor; the Supervisor hears of it.
    """

    reads: ClassVar[Any] = Mail
    """The union of the mail this actor understands."""

    use_daemon_thread = True  # the daemon's own order of stopping decides, not the interpreter's

    @staticmethod
    def _create_actor_inbox() -> Any:
        """pykka's hook: the same in C, at a fraction of the cost of a `queue.Queue`."""
        return queue.SimpleQueue()

    def __init__(self, hub: Hub, address: str) -> None:
        super().__init__()
        self.address = address
        self.hub = hub
        self.log = logger(actor=address)
        self.inbox = ActorInbox(self.actor_ref)
        self._is_told_to_stop = False
        hub.register(address, self.inbox)  # what comes before `begin` waits in the inbox

    # ------------------------------------------------------------ for subclasses

    def begin(self) -> None:
        """Set up; the first thing in the actor's thread."""

    def receive(self, messages: Sequence[Any]) -> None:
        """Handle what has piled up: mail as structs, commands as `Request`s."""
        raise NotImplementedError

    def end(self) -> None:
        """Let go of what `begin` took; also after a failure."""

    def unanswered(self) -> list[Request]:
        """After a failure: the commands that nobody will answer any more. Whoever sent them is told to ask again."""
        return self.unread()

    def died(self) -> None:
        """After a failure, once everything was let go of."""

    def closing(self, error: str | None) -> Mail | None:
        """The last mail to the Supervisor; `error` is what this actor dies of."""
        return None if error is None else ActorDied(address=self.address, error=error)

    def unread(self) -> list[Request]:
        """The commands in the inbox of one who reads no more; the mail beside them is lost with its reader."""
        found, others = [], []
        while not self.actor_inbox.empty():
            envelope = self.actor_inbox.get()
            if isinstance(envelope.message, list):
                found += [message for message in envelope.message if isinstance(message, Request)]
            else:
                others.append(envelope)  # pykka's own, for which somebody may wait
        for envelope in others:
            self.actor_inbox.put(envelope)
        return found

    # ------------------------------------------------------------ pykka's hooks

    def on_start(self) -> None:
        """Open the outbox and begin."""
        try:
            self.outbox = self.hub.outbox()
            self.begin()
            self.outbox.flush()
        except Exception as error:
            self._last_word(error)
            raise

    def on_receive(self, message: list[Request | bytes]) -> None:
        """Take these messages and all that wait behind them as one batch."""
        batch = [*message]
        if not self._is_told_to_stop:
            self.hub.feed(self.address)
        while len(batch) < MAX_BATCH and not self._is_told_to_stop and not self.actor_inbox.empty():
            following = self.actor_inbox.get()
            if not isinstance(following.message, list):
                # pykka's own stop. Its turn comes after this batch, and in its envelope: somebody waits for the answer.
                # No later batch takes it out again, so that it comes to it however much comes in.
                self._is_told_to_stop = True
                self.actor_inbox.put(following)
                break
            batch += following.message
        self.inbox.taken(batch)
        if not self._is_told_to_stop:
            self.hub.wake(self.address)
        self.receive([self._open(one) for one in batch])
        self.outbox.flush()

    def on_stop(self) -> None:
        """The ordered end."""
        self._close()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """The end by an exception."""
        if exception_value is not None:
            self._last_word(exception_value)

    # ------------------------------------------------------------ within

    def _open(self, message: Request | bytes) -> Any:
        return codec.decode(message, self.reads) if isinstance(message, bytes) else message

    def _last_word(self, error: BaseException) -> None:
        self.log.error("actor_died", error=repr(error), traceback="".join(traceback.format_exception(error)))
        self._close(repr(error))
        self.died()

    def _close(self, error: str | None = None) -> None:
        self.hub.unregister(self.address, self.inbox)
        try:
            if error is not None and hasattr(self, "outbox"):
                for request in self.unanswered():
                    self.outbox.reply(request.envelope, refusal_body(request.command.id, Busy(REPAIRED)))
            self.end()
        finally:
            last_word = self.closing(error)
            if hasattr(self, "outbox"):
                if last_word is not None:
                    self.outbox.mail(SUPERVISOR, last_word)
                self.outbox.close()
            elif last_word is not None:
                self.hub.post(SUPERVISOR, codec.encode(last_word))  # it could not even open an outbox

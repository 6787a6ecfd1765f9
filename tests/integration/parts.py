"""The daemon's parts with a test in the place of the others: an inbox it reads, a hub, and a Queue turned by hand."""

import itertools
import os
import queue
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from actors.base import ARCHIVE, JANITOR, QUEUE, SUPERVISOR, render_address
from actors.daemon import route
from actors.job_queue import Queue, QueueSettings
from actors.jobs import admit
from actors.jobs.admit import Admitted
from actors.jobs.database import FILE_NAME, connect
from actors.jobs.ledger import Settings
from actors.jobs.model import FileIdentity, Job, Live, timestamp
from actors.jobs.reads import About
from actors.jobs.sql import queries
from actors.jobs.store import Store
from actors.jobs.tally import Tally
from actors.mail import (
    Facts,
    FilesRemoved,
    Mail,
    OutputCompleted,
    OutputStarted,
    Paused,
    PauseRender,
    Progressed,
    RemoveFiles,
    RenderEnded,
    StartRender,
    Tick,
)
from actors.watcher import Watcher
from bus import codec
from bus import messages as m
from bus.auth import Guard
from bus.errors import CommandRefused
from bus.hub import Hub
from bus.inbox import Pending, Request
from bus.messages import AnyCommand, ErrorView
from bus.traffic import Traffic
from tests.support.jobs import quick
from tests.support.wire import PATIENCE, Dealer, Map

T = TypeVar("T", bound=Mail)

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
"""Where a store that is not to outlive its test costs no fsync."""


def keep(store: Store, job: Job) -> None:
    """Write a job as it stands, which may be over."""
    store.add(job)
    store.save(job, *job.outputs)
    if job.status == "queued":
        store.places.count(job, 1)


class Letterbox:
    """An inbox that a test empties: what is sent to one address.

    Args:
        feed: asks the hub for more, as an actor does that has taken what it had.

    """

    def __init__(self, feed: Callable[[], None]) -> None:
        self._feed = feed
        self._queue: queue.SimpleQueue[Request | bytes] = queue.SimpleQueue()

    def put(self, *messages: Request | bytes) -> None:
        for message in messages:
            self._queue.put(message)

    def pending(self) -> Pending:
        return Pending(self._queue.qsize(), 0)

    def is_empty(self) -> bool:
        return self._queue.empty()

    def next(self) -> Request | bytes:
        """The next message, once it is there."""
        message = self._queue.get(timeout=PATIENCE)
        self._feed()
        return message

    def command(self) -> Request:
        """The next command; mail before it is kept for later."""
        kept: list[Request | bytes] = []
        while not isinstance(message := self.next(), Request):
            kept.append(message)
        for mail in kept:
            self.put(mail)
        return message

    def mail(self, kind: type[T]) -> T:
        """The next mail of that kind; what stands before it is left out."""
        while True:
            message = self.next()
            if isinstance(message, bytes):
                found = codec.decode_plain(message)
                if found["type"] == kind.__name__:
                    return codec.decode(message, kind)


class Switchboard:
    """A hub, and a letterbox at each address that a test answers for."""

    def __init__(
        self,
        address: str,
        *,
        guard: Guard | None = None,
        way: Callable[[AnyCommand], str] = route,
        is_open: bool = True,
        traffic: Traffic | None = None,
    ) -> None:
        self.address = address
        self.notices: queue.SimpleQueue[tuple[str, Mapping[str, Any]]] = queue.SimpleQueue()
        self.failures: list[BaseException] = []
        self.hub = Hub(
            address,
            way,
            guard or Guard(),
            lambda *notice: self.notices.put(notice),
            self.failures.append,
            traffic=traffic,
        )
        self.outbox = self.hub.outbox()
        self.hub.start()
        if is_open:
            self.open()

    def open(self) -> None:
        """Let clients in."""
        self.outbox.open_hub()
        self.outbox.flush()

    def letterbox(self, address: str) -> Letterbox:
        """From now on, what is sent to `address` comes here."""
        box = Letterbox(lambda: self.hub.feed(address))
        self.hub.register(address, box)
        return box

    def answer(self, request: Request, result: Map) -> None:
        """Reply to a command as an actor would."""
        body = codec.encode({"v": 1, "re": request.command.id, "ok": True, "result": result})
        self.outbox.reply(request.envelope, body)
        self.outbox.flush()

    def mail(self, address: str, message: Mail) -> None:
        """Send mail as an actor would."""
        self.outbox.mail(address, message)
        self.outbox.flush()

    def close(self) -> None:
        """End the hub, which must have nothing to complain of."""
        self.outbox.close()
        self.hub.stop()
        assert self.failures == []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Counter:
    """The real Queue with its real store, turned by hand: a test decides what one turn takes.

    Commands come in and replies go out over real sockets; the test is Supervisor, Render and Janitor, and the Archive.

    Args:
        folder: for all that it keeps.
        slots: how many of `cpu` there are.
        others: how many there are of other resources.

    """

    def __init__(self, folder: Path, *, slots: int = 0, **others: int) -> None:
        self.tally = Tally()
        self._others = others
        self.data = folder / "data"
        self.data.mkdir(exist_ok=True)
        self.out = folder / "out"
        self.out.mkdir(exist_ok=True)
        self._names = itertools.count()
        self._mail: deque[bytes] = deque()
        self.switchboard = Switchboard(f"ipc://{folder}/bus", way=lambda _: QUEUE)
        self.supervisor = self.switchboard.letterbox(SUPERVISOR)
        self.archive = self.switchboard.letterbox(ARCHIVE)
        self.janitor = self.switchboard.letterbox(JANITOR)
        self.watcher = Watcher(self.switchboard.hub, self.switchboard.failures.append)
        self.watcher.start()
        self.client = Dealer(self.switchboard.address)
        self.queue = self._open(slots, first=True)
        self._read = connect(self.data / FILE_NAME, read_only=True)

    def _open(self, slots: int, *, first: bool) -> Queue:
        ledger = Settings({"cpu": slots, **self._others}, retry_delay=0.0, tally=self.tally)
        settings = QueueSettings(self.data, About("0", timestamp(), time.monotonic()), ledger=ledger)
        found = Queue(self.switchboard.hub, self.watcher, settings, first=first)
        self._inbox = self.switchboard.letterbox(QUEUE)  # in the place of the Queue's own
        found.outbox = self.switchboard.hub.outbox()
        found.begin()
        found.outbox.flush()
        return found

    def reopen(self, *, slots: int = 0) -> None:
        """Another Queue on the same store, as after a crash."""
        self._close_queue()
        self.queue = self._open(slots, first=False)

    def _close_queue(self) -> None:
        self.queue.end()
        self.queue.outbox.close()

    def close(self) -> None:
        self._read.close()
        self._close_queue()
        self.client.close()
        self.watcher.stop()
        self.switchboard.close()

    # ------------------------------------------------------------ turns

    def turn(self, *messages: Any) -> None:
        """One turn of the Queue, and what it says is sent."""
        self.queue.receive(messages)
        self.queue.outbox.flush()

    def request(self, kind: str, **fields: Any) -> Request:
        """A command as it comes out of the hub."""
        self.client.send(kind, **fields)
        while True:
            message = self._inbox.next()
            if isinstance(message, Request):
                return self._admitted(message)
            self._mail.append(message)

    @staticmethod
    def _admitted(request: Request) -> Request:
        """Be the Admission actor."""
        if not isinstance(request.command, m.Submit):
            return request
        try:
            return request._replace(prepared=Admitted(request.command.job, admit.admit(request.command.job)))
        except CommandRefused as refusal:
            return request._replace(prepared=refusal)

    def ask(self, kind: str, **fields: Any) -> Map:
        """A command in a turn of its own; its reply."""
        request = self.request(kind, **fields)
        self.turn(request)
        return self.reply(request)

    def reply(self, request: Request) -> Map:
        return self.client.reply_to(request.command.id)

    def result(self, kind: str, **fields: Any) -> Map:
        reply = self.ask(kind, **fields)
        assert reply["ok"] is True, f"{kind} was refused: {reply.get('error')}"
        result: Map = reply["result"]
        return result

    def refusal(self, kind: str, **fields: Any) -> Map:
        reply = self.ask(kind, **fields)
        assert reply["ok"] is False, f"{kind} was not refused: {reply.get('result')}"
        error: Map = reply["error"]
        return error

    def is_silent(self) -> bool:
        """True where no reply is on its way: what a later command is told has come after it."""
        request = self.request("status")
        self.turn(request)
        return bool(self.client.receive()["re"] == request.command.id)

    def tick(self) -> Tick:
        """What the watcher tells the Queue next but for heartbeats."""
        while True:
            message = self._mail.popleft() if self._mail else self._inbox.next()
            assert isinstance(message, bytes), "a command came that nobody took"
            found: Tick = codec.decode(message, Tick)
            if found.what != "heartbeat":
                return found

    # ------------------------------------------------------------ jobs

    def spec(self, outputs: int = 1, **more: Any) -> Map:
        """A job that nobody else's outputs collide with."""
        return quick(*(self.out / f"{next(self._names)}.mp4" for _ in range(outputs)), **more)

    def submit(self, outputs: int = 1, **more: Any) -> Map:
        """Queue a job; its view."""
        view: Map = self.result("submit", job=self.spec(outputs, **more))["job"]
        return view

    def view(self, job_id: str) -> Map:
        """The job as the store has it."""
        view: Map = self.result("get", job_id=job_id)["job"]
        return view

    def order(self) -> StartRender:
        """What the Supervisor is told to start next."""
        return self.supervisor.mail(StartRender)

    def start(self, outputs: int = 1, **more: Any) -> StartRender:
        """Queue a job that gets a slot, and say that its first output is being rendered."""
        self.submit(outputs, **more)
        order = self.order()
        self.turn(OutputStarted(job_id=order.job_id, run=order.run, index=order.pending[0]))
        return order

    def complete(self, order: StartRender, index: int = 0) -> None:
        """Say that an output is proved."""
        self.turn(OutputCompleted(job_id=order.job_id, run=order.run, index=index, facts=facts()))

    def fail(self, order: StartRender, *, retryable: bool = False, index: int = 0) -> None:
        """Say that an output failed."""
        why = ErrorView("unknown", "because", retryable)
        self.turn(RenderEnded(job_id=order.job_id, run=order.run, index=index, how="failed", error=why, exit_status=1))

    def advance(
        self, order: StartRender, progress: float, eta: float, index: int = 0, phase: m.Phase = "rendering"
    ) -> None:
        """Say how far the output is that is being rendered; `eta` in seconds."""
        live = Live(job_id=order.job_id, run=order.run, index=index, phase=phase, progress=progress, eta=eta)
        self.turn(Progressed(live=live, frame=None, fps=None, out_time=None, size=0))

    def hold(self, order: StartRender, *, release: bool = False) -> None:
        """Pause a job, and be its Render that holds the child."""
        box = self.render(order.job_id)
        self.result("pause", job_id=order.job_id, release=release)
        pause = box.mail(PauseRender).paused
        assert pause is not None
        self.turn(Paused(job_id=order.job_id, run=order.run, paused=pause))

    def stopped(self, order: StartRender, index: int | None = 0) -> None:
        """Say that the child is gone because it was told to."""
        self.turn(RenderEnded(job_id=order.job_id, run=order.run, index=index, how="stopped", exit_status=255))

    def remove(self) -> RemoveFiles:
        """Be the Janitor once: every file is removed."""
        order = self.janitor.mail(RemoveFiles)
        removed = [path for path, _ in order.files]
        self.turn(FilesRemoved(job_id=order.job_id, removed=removed, missing=[], failed=[]))
        return order

    def render(self, job_id: str) -> Letterbox:
        """The inbox of a job's Render."""
        return self.switchboard.letterbox(render_address(job_id))

    # ------------------------------------------------------------ what is on disk

    def events(self, job_id: str | None = None) -> list[Map]:
        """Every durable event, of one job or of all."""
        rows = self._read.execute(queries()["events_after"], (0, 1000)).fetchall()
        found: list[Map] = [codec.decode_plain(body) for (body,) in rows]
        return [event for event in found if job_id in (None, event["job_id"])]

    def kinds(self, job_id: str) -> list[str]:
        """What happened to a job, in order, without the `job.`."""
        return [str(event["type"]).removeprefix("job.") for event in self.events(job_id)]

    def last(self, job_id: str) -> Map:
        return self.events(job_id)[-1]

    def audit(self) -> list[tuple[Any, ...]]:
        """Command and outcome of each entry."""
        rows = self._read.execute(queries()["audit_after"], (0, 1000)).fetchall()
        return [(row[3], row[6]) for row in rows]

    def queue_order(self) -> list[str]:
        """The ids of queued jobs as they will run."""
        rows = self._read.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY priority DESC, rank")
        return [job_id for (job_id,) in rows]


def facts(size: int = 7) -> Facts:
    """What a proved output may be."""
    made = FileIdentity(device=1, inode=size, size=size, mtime_ns=1)
    return Facts(size=size, duration=0.5, width=64, height=36, fps=10.0, speed=2.0, file=made)

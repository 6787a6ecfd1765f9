"""The Queue actor: it alone writes the store. A command becomes a change, a commit, then a reply and an event.

What has piled up in its inbox is one turn: one transaction and one fsync for all of it, and nothing is said before
that has returned. The next job is started in the turn that ends the last.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actors.base import JANITOR, QUEUE, SUPERVISOR, BusActor
from actors.jobs import changes, outcomes
from actors.jobs.desk import Desk, Held
from actors.jobs.ledger import Ledger, ShutdownMode
from actors.jobs.model import timestamp
from actors.jobs.states import is_ended
from actors.jobs.store import Store, StoreUnavailable
from actors.jobs.turn import Cause, Turn
from actors.mail import (
    ActorRestarted,
    BeginStop,
    FilesRemoved,
    OrphanedFolders,
    OutputCompleted,
    OutputStarted,
    Progressed,
    QueueDone,
    RenderEnded,
    Signalled,
    SweepDue,
    Tick,
    WorkFolders,
)
from actors.watcher import Watcher
from bus import messages as m
from bus.errors import CommandRefused, Internal, Unavailable
from bus.hub import Hub, Request, refusal_body, result_body

HEARTBEAT = "heartbeat"
HEARTBEAT_SECONDS = 1.0
"""The protocol's own number."""

RETRY = "again"
RETRY_SECONDS = 1.0
"""After the store could not be written: how soon what Renders reported is tried again."""

SWEEP_JOBS = 100
"""Jobs whose removal one sweep begins; the next sweep takes the next."""

REMEMBER_SECONDS = 48 * 3600.0
"""How long a command's reply is kept for its repetition; the protocol promises half of it."""


class QueueSettings(NamedTuple):
    """What the Queue needs to know."""

    data: Path
    slots: int
    keep_files: bool
    version: str
    started_at: str
    started_monotonic: float


class Queue(BusActor):
    """See the module. Runs in a thread of its own."""

    reads = (
        OutputStarted | Progressed | Signalled | OutputCompleted | RenderEnded | FilesRemoved | SweepDue
        | WorkFolders | BeginStop | ActorRestarted | Tick
    )  # fmt: skip

    def __init__(self, hub: Hub, watcher: Watcher, settings: QueueSettings, *, first: bool) -> None:
        super().__init__(hub, QUEUE)
        self._watcher = watcher
        self._settings = settings
        self._first = first
        self._desk = Desk(watcher, self.log)
        self._backlog: list[Any] = []
        self._will_retry = False
        self._done = False

    def begin(self) -> None:
        """Open the store, and take up what an earlier daemon or Queue had left."""
        self._store = Store(self._settings.data)
        self._ledger = Ledger(self._store)
        turn = Turn(self._store, self._ledger)
        with self._store.transaction():
            if self._first:
                turn.event("daemon.started", {"version": self._settings.version, "pid": os.getpid()})
            outcomes.recover(turn)
            self._dispatch(turn)
            turn.write()
        self._say(turn)
        self._watcher.after(HEARTBEAT_SECONDS, QUEUE, HEARTBEAT)

    def end(self) -> None:
        """Close the store."""
        if hasattr(self, "_store"):
            self._store.close()

    # ------------------------------------------------------------ a turn

    def receive(self, messages: Sequence[Any]) -> None:
        """One turn for what writes, then what only reads."""
        reads: list[Request] = []
        writes: list[Any] = []
        retries = False
        for message in messages:
            if isinstance(message, Tick) and message.what == HEARTBEAT:
                self._beat()
            elif isinstance(message, Tick) and message.what == RETRY:
                retries, self._will_retry = True, False
            elif isinstance(message, Request) and isinstance(message.command, (m.Get, m.Status)):
                reads.append(message)
            else:
                writes.append(message)
        if writes or retries:
            writes, self._backlog = self._backlog + writes, []
            self._write(writes)
        for message in reads:
            self._read(message)

    def _write(self, messages: list[Any]) -> None:
        turn = Turn(self._store, self._ledger)
        stopping = self._ledger.stopping
        try:
            with self._store.transaction():
                for message in messages:
                    self._handle(message, turn)
                self._dispatch(turn)
                for job in turn.ended:
                    self._desk.job_ended(job, turn)
                done = self._is_done()
                if done:
                    self._desk.answer_all(turn)
                    turn.mail(SUPERVISOR, QueueDone())
                turn.write()
        except StoreUnavailable as error:
            self._forget_turn(stopping)
            self._put_off(messages, error)
        except Exception as error:  # noqa: BLE001 # told apart in _defect, which raises what is not a command's
            self._forget_turn(stopping)
            if len(messages) == 1:
                self._defect(messages[0], error)
            for message in messages if len(messages) > 1 else ():
                self._write([message])  # whichever it was, the others are not to suffer for it
        else:
            self._done = self._done or done
            self._desk.commit()
            self._say(turn)

    def _forget_turn(self, stopping: ShutdownMode | None) -> None:
        self._ledger.reload(self._store)
        self._ledger.stopping = stopping
        self._desk.rollback()

    def _say(self, turn: Turn) -> None:
        """The turn is on disk: now it may be told."""
        for line in turn.lines:
            getattr(self.log, line.level)(line.name, **line.keys)
        for topic, body in turn.published:
            self.outbox.event(topic, body)
        for envelope, body in turn.replies:
            self.outbox.reply(envelope, body)
        for address, mail in turn.mails:
            self.outbox.mail(address, mail)

    def _put_off(self, messages: list[Any], error: StoreUnavailable) -> None:
        """Nothing was changed. Clients are told; what Renders reported has happened, and is tried again."""
        self.log.error("store_unavailable", error=str(error))
        for message in messages:
            if isinstance(message, Request):
                refusal = Unavailable(f"it could not be stored, and nothing was changed: {error}")
                self.outbox.reply(message.envelope, refusal_body(message.command.id, refusal))
            elif not isinstance(message, SweepDue):  # the Janitor sends another
                self._backlog.append(message)
        if not self._will_retry:
            self._will_retry = True
            self._watcher.after(RETRY_SECONDS, QUEUE, RETRY)

    def _defect(self, message: Any, error: Exception) -> None:
        """A command that shows a defect is refused; anything else ends this actor, and the next one recovers."""
        if not isinstance(message, Request):
            raise error
        self.log.error("command_failed", command_id=message.command.id, by=message.by, exc_info=error)
        refusal = Internal("a defect of the daemon; nothing was changed, and its log has the details")
        self.outbox.reply(message.envelope, refusal_body(message.command.id, refusal))

    def _dispatch(self, turn: Turn) -> None:
        """Fill the free slots, in the queue's order."""
        ledger = self._ledger
        while not ledger.draining and ledger.stopping is None and len(ledger.running) < self._settings.slots:
            job = self._store.next_queued() if ledger.statuses["queued"] else None
            if job is None:
                return
            outcomes.start(turn, job)

    def _is_done(self) -> bool:
        return self._ledger.stopping is not None and not self._ledger.running and not self._done

    # ------------------------------------------------------------ messages

    def _handle(self, message: Any, turn: Turn) -> None:
        match message:
            case Request():
                self._desk.take(message, turn)
            case OutputStarted():
                outcomes.output_started(turn, message)
            case Progressed():
                outcomes.progressed(turn, message)
            case Signalled():
                outcomes.signalled(turn, message)
            case OutputCompleted():
                outcomes.output_completed(turn, message)
            case RenderEnded():
                outcomes.ended(turn, message)
            case FilesRemoved():
                self._removed(message, turn)
            case Tick():
                self._tick(message.what, turn)
            case SweepDue():
                self._sweep(turn)
            case WorkFolders():
                turn.mail(JANITOR, OrphanedFolders(job_ids=self._store.unknown(message.job_ids)))
            case ActorRestarted():
                outcomes.actor_restarted(turn, message)
            case BeginStop():
                if self._ledger.stopping != "stop":
                    changes.begin_stop(turn, "stop", Cause(by=message.by), message.signal)
            case _:
                raise TypeError(f"unexpected message {message!r}")

    def _tick(self, what: str, turn: Turn) -> None:
        name, _, number = what.partition(":")
        if name == "wait":
            self._desk.patience_over(int(number), turn)

    def _beat(self) -> None:
        """The heartbeat: no turn, for it goes on where the store cannot be written."""
        turn = Turn(self._store, self._ledger)
        turn.ephemeral("daemon.heartbeat", {"last_seq": self._ledger.seq, "epoch": self._ledger.epoch})
        self._say(turn)
        self._watcher.after(HEARTBEAT_SECONDS, QUEUE, HEARTBEAT)

    def _removed(self, news: FilesRemoved, turn: Turn) -> None:
        job = self._store.job(news.job_id)
        result = outcomes.removed(turn, news)
        if job is not None and result is not None:
            self._desk.job_removed(job, result, turn)

    def _sweep(self, turn: Turn) -> None:
        for job_id in self._store.expired(turn.now, SWEEP_JOBS):
            changes.expire(turn, job_id, keep_files=self._settings.keep_files)
        self._store.prune_commands(timestamp(-REMEMBER_SECONDS))

    # ------------------------------------------------------------ commands that read

    def _read(self, request: Request) -> None:
        command = request.command
        try:
            if isinstance(command, m.Get):
                job = self._store.job(command.job_id)
                if job is not None and command.wait and not is_ended(job.status) and self._ledger.stopping is None:
                    self._desk.hold(Held(request, job.id, until_deleted=False, changed=False, seconds=command.wait))
                    return
                result: Any = m.JobResult(self._view(command.job_id))
            else:
                result = self._status()
            body = result_body(command.id, result)
        except CommandRefused as refusal:
            body = refusal_body(command.id, refusal)
        self.outbox.reply(request.envelope, body)

    def _view(self, job_id: str) -> m.JobView:
        turn = Turn(self._store, self._ledger)
        return turn.placed(changes.find(turn, job_id))

    def _status(self) -> m.StatusResult:
        ledger, settings = self._ledger, self._settings
        return m.StatusResult(
            version=settings.version,
            pid=os.getpid(),
            started_at=settings.started_at,
            uptime=round(time.monotonic() - settings.started_monotonic, 3),
            slots=settings.slots,
            running=len(ledger.running),
            queued=ledger.statuses["queued"],
            draining=ledger.draining or ledger.stopping == "drain",
            last_seq=ledger.seq,
            epoch=ledger.epoch,
            counts={status: ledger.statuses[status] for status in sorted(m.STATUSES)},
        )

"""The Queue actor: it alone writes the store. A command becomes a change, a commit, then a reply and an event.

What has piled up in its inbox is one turn: one transaction and one fsync for all of it, and nothing is said before
that has returned. The next job is started in the turn that ends the last.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from actors import logs
from actors.base import ARCHIVE, JANITOR, QUEUE, SUPERVISOR, WATCHDOG, WORK_FOLDER, BusActor
from actors.jobs import dispatch, outcomes, reads, retention, shutdown, waits
from actors.jobs.backlog import Backlog
from actors.jobs.database import StoreError, StoreFailing, StoreFull, StoreUnavailable, StoreUnusable
from actors.jobs.desk import WAIT_OVER, Desk
from actors.jobs.keeper import DISK_FULL, Keeper
from actors.jobs.ledger import Ledger, Settings
from actors.jobs.reads import About
from actors.jobs.retention import Policy
from actors.jobs.store import Store
from actors.jobs.turn import Turn
from actors.jobs.waiters import Waiter
from actors.mail import (
    ActorRestarted,
    Alive,
    BeginStop,
    FilesRemoved,
    LookAtFiles,
    OutputCompleted,
    OutputStarted,
    Paused,
    Progressed,
    QueueDone,
    RenderEnded,
    RoomFound,
    Signalled,
    StopBegun,
    StoreDamaged,
    SweepDue,
    Tick,
    WorkFolders,
)
from actors.watcher import Watcher
from bus.errors import CommandRefused, Internal, Unavailable
from bus.hub import Hub
from bus.inbox import Request
from bus.replies import refusal_body, result_body

HEARTBEAT = "heartbeat"
HEARTBEAT_SECONDS = 1.0
"""The protocol's own number."""

RETRY = "again"
RETRY_SECONDS = 1.0
"""After the store could not be written: how soon what Renders reported is tried again."""

NOT_DONE = "it could not be stored, and nothing was changed"
NOT_KNOWN = "the disk failed while it was stored; sent again with the same id, it is done once, whatever became of it"


class QueueSettings(NamedTuple):
    """What the Queue needs to know."""

    data: Path
    about: About
    policy: Policy = Policy()
    ledger: Settings = Settings()


class Queue(BusActor):
    """See the module. Runs in a thread of its own."""

    reads = (
        OutputStarted | Progressed | Paused | Signalled | OutputCompleted | RenderEnded | FilesRemoved | SweepDue
        | WorkFolders | RoomFound | BeginStop | StopBegun | ActorRestarted | Tick
    )  # fmt: skip

    def __init__(self, hub: Hub, watcher: Watcher, settings: QueueSettings, *, first: bool) -> None:
        super().__init__(hub, QUEUE)
        self._watcher = watcher
        self._settings = settings
        self._first = first
        self._work = str(settings.data / WORK_FOLDER)
        self._desk = Desk(watcher)
        self._backlog = Backlog()
        self._will_retry = False
        self._done = False

    def begin(self) -> None:
        """Open the store, and take up what an earlier daemon or Queue had left."""
        settings = self._settings
        self._keeper = Keeper(settings.data, self.log, settings.ledger)
        try:
            turn = self._first_turn()
        except StoreFull as error:
            self._keeper.turn_failed(None, error)
            self._keeper.begin_full()
            turn = self._first_turn()
        self._ledger.commit()
        self._say(turn)
        self._show_alive()

    def _first_turn(self) -> Turn:
        turn = Turn(self._store, self._ledger)
        with self._store.transaction():
            if self._first:
                turn.event("daemon.started", {"version": self._settings.about.version, "pid": os.getpid()})
            outcomes.recover(turn)
            self._dispatch(turn)
            turn.write()
        return turn

    def unanswered(self) -> list[Request]:
        """Those whose replies are held, too."""
        return self._desk.waiting() + self.unread()

    def end(self) -> None:
        """Close the store."""
        if hasattr(self, "_keeper"):
            self._keeper.close()

    @property
    def _store(self) -> Store:
        return self._keeper.store

    @property
    def _ledger(self) -> Ledger:
        return self._keeper.ledger

    # ------------------------------------------------------------ a turn

    def receive(self, messages: Sequence[Any]) -> None:
        """One turn for what writes, then what only reads."""
        asked: list[Request] = []
        overdue: list[Waiter] = []
        writes: list[Any] = []
        retries = False
        for message in messages:
            if isinstance(message, Tick) and message.what == HEARTBEAT:
                self._beat()
            elif isinstance(message, Tick) and message.what == RETRY:
                retries, self._will_retry = True, False
            elif isinstance(message, Tick) and (waiter := self._desk.asker(message.what)) is not None:
                overdue.append(waiter)
            elif isinstance(message, Request) and reads.is_read(message.command):
                asked.append(message)
            else:
                writes.append(message)
        writes = self._backlog.take() + writes if retries else self._backlog.let_by(writes)
        try:
            if writes or retries:
                self._write(writes)
        finally:  # where that ends this actor, too: they have done nothing
            for waiter in overdue:  # no turn either, and after it: what it brought may be the reply
                self._read_at_last(waiter)
            for message in asked:
                self._read(message)

    def _write(self, messages: list[Any], *, is_second_try: bool = False) -> None:
        """A turn, and what becomes of its messages where it is not to be."""
        if not is_second_try:
            self._keeper.look_for_room()
        messages = self._refuse_what_needs_room(messages)
        stopping = self._ledger.stopping
        try:
            self._keeper.ready()
            turn = self._turn(messages)
        except StoreUnavailable as error:
            self._keeper.turn_failed(stopping, error)
            self._desk.rollback()
            if isinstance(error, StoreFull) and not is_second_try:
                self._keeper.begin_full()
                self._write(messages, is_second_try=True)
            else:
                self._put_off(messages, error)
        except StoreUnusable as error:
            self.outbox.mail(SUPERVISOR, StoreDamaged(why=str(error)))
            self._put_off(messages, error)
        except Exception as error:  # noqa: BLE001 # told apart in _defect, which raises what is not a command's
            self._keeper.turn_failed(stopping)
            self._desk.rollback()
            if len(messages) == 1:
                self._defect(messages[0], error)
            else:
                self._write_each(messages)
        else:
            self._done = self._done or turn.is_last
            self._ledger.commit()
            self._ledger.render_deaths += turn.render_deaths
            self._desk.commit()
            self._say(turn)

    def _write_each(self, messages: list[Any]) -> None:
        """A turn for each: whichever it was that showed a defect, the others are not to suffer for it."""
        fatal: Exception | None = None
        for message in messages:
            try:
                self._write([message])
            except Exception as error:  # noqa: BLE001 # raised once the others are done
                fatal = fatal or error
        if fatal is not None:
            raise fatal

    def _turn(self, messages: list[Any]) -> Turn:
        """What these messages change, and what follows from that, in one transaction."""
        turn = Turn(self._store, self._ledger)
        with self._store.transaction():
            turn.recall(message for message in messages if isinstance(message, Request))
            for message in messages:
                self._handle(message, turn)
            self._dispatch(turn)
            for job in turn.ended:
                self._desk.job_ended(job, turn)
            turn.is_last = shutdown.is_over(self._ledger) and not self._done
            if turn.is_last:
                self._desk.answer_all(turn)
                turn.mail(SUPERVISOR, QueueDone())
            turn.write()
        return turn

    def _refuse_what_needs_room(self, messages: list[Any]) -> list[Any]:
        """While the disk is full, its reserve is for what ends things: the rest is refused before it takes of it."""
        kept = []
        for message in messages:
            if isinstance(message, Request) and not self._keeper.can_afford(message.command):
                self._refuse(message, Unavailable(DISK_FULL))
            else:
                kept.append(message)
        return kept

    def _say(self, turn: Turn) -> None:
        """The turn is on disk: now it may be told; in the log before whoever has mail adds to the story."""
        for live in turn.live:  # first, so that whoever hears of progress and asks is shown it
            self.outbox.mail(ARCHIVE, live)
        for topic, body in turn.published:
            self.outbox.event(topic, body)
        for envelope, body in turn.replies:
            self.outbox.reply(envelope, body)
        self.outbox.flush()
        if turn.log_level is not None:
            logs.set_level(turn.log_level)
        for line in turn.lines:
            getattr(self.log, line.level)(line.name, **line.keys)
        for address, mail in turn.mails:
            self.outbox.mail(address, mail)
        for seconds, what in turn.timers:
            self._watcher.after(seconds, QUEUE, what)

    def _put_off(self, messages: list[Any], error: StoreError) -> None:
        """Nothing was changed. Clients are told; what Renders reported has happened, and is tried again."""
        self.log.error("store_unavailable", error=str(error))
        for message in messages:
            if isinstance(message, Request):
                why = NOT_KNOWN if isinstance(error, StoreFailing) else f"{NOT_DONE}: {error}"
                self._refuse(message, Unavailable(why))
        self._backlog.keep(messages)
        if not self._will_retry:
            self._will_retry = True
            self._watcher.after(RETRY_SECONDS, QUEUE, RETRY)

    def _defect(self, message: Any, error: Exception) -> None:
        """A command that shows a defect is refused; anything else ends this actor, and the next one recovers."""
        if not isinstance(message, Request):
            raise error
        self.log.error("command_failed", command_id=message.command.id, by=message.by, exc_info=error)
        self._refuse(message, Internal("a defect of the daemon; nothing was changed, and its log has the details"))

    def _refuse(self, request: Request, refusal: CommandRefused) -> None:
        self.outbox.reply(request.envelope, refusal_body(request.command.id, refusal))

    def _dispatch(self, turn: Turn) -> None:
        if not self._keeper.is_full:
            dispatch.dispatch(turn, self._work)

    # ------------------------------------------------------------ messages

    def _handle(self, message: Any, turn: Turn) -> None:
        match message:
            case Request():
                self._desk.take(message, turn)
            case OutputStarted():
                outcomes.output_started(turn, message)
            case Progressed():
                outcomes.progressed(turn, message)
            case Paused():
                outcomes.paused(turn, message)
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
                retention.sweep(turn, self._settings.policy)
            case RoomFound():
                waits.room_found(turn, message)
            case WorkFolders():
                outcomes.janitor_begins(turn, message)
            case StopBegun():
                shutdown.go_on(turn, message.mode)
            case ActorRestarted():
                outcomes.actor_restarted(turn, message)
            case BeginStop():
                shutdown.signalled(turn, message)
            case _:
                raise TypeError(f"unexpected message {message!r}")

    def _tick(self, what: str, turn: Turn) -> None:
        name, _, rest = what.partition(":")
        if name == WAIT_OVER:
            self._desk.patience_over(int(rest), turn)
        elif name == waits.DUE and rest:
            job_id, _, run = rest.partition(":")
            waits.over(turn, job_id, int(run))
        elif name == shutdown.OVERDUE:
            shutdown.overdue(turn)

    def _beat(self) -> None:
        """The heartbeat: no turn, for it goes on where the store cannot be written."""
        turn = Turn(self._store, self._ledger)
        turn.ephemeral("daemon.heartbeat", {"last_seq": self._ledger.seq, "epoch": self._ledger.epoch})
        self._say(turn)
        self._show_alive()

    def _show_alive(self) -> None:
        """At the begin and at each heartbeat: to whoever watches over the daemon, and to whoever counts."""
        ledger = self._ledger
        running, queued = len(ledger.running), ledger.statuses["queued"]
        news = Alive(running=running, queued=queued, draining=ledger.draining, stopping=ledger.stopping)
        self.outbox.mail(WATCHDOG, news)
        self._keeper.look_around()
        self._watcher.after(HEARTBEAT_SECONDS, QUEUE, HEARTBEAT)

    def _removed(self, news: FilesRemoved, turn: Turn) -> None:
        job = self._store.job(news.job_id)
        result = outcomes.removed(turn, news)
        if job is not None and result is not None:
            self._desk.job_removed(job, result, turn)

    # ------------------------------------------------------------ commands that read

    def _read_at_last(self, waiter: Waiter) -> None:
        """Give whoever only asks, and has waited long enough, his reply; whatever becomes of what is to be stored."""
        try:
            request = self._desk.let_go(waiter)
        except CommandRefused as refusal:
            self._refuse(waiter.request, refusal)
        else:
            if request is not None:
                self._read(request)

    def _read(self, request: Request) -> None:
        command = request.command
        try:
            with self._store.reading():
                if self._ledger.stopping is None and self._desk.hold_get(request, self._store):
                    return
                result = reads.answer(request, self._keeper, self._settings.about, self._work)
            if isinstance(result, LookAtFiles):
                for refused, busy in self.hub.hand_over(JANITOR, request._replace(prepared=result)):
                    self._refuse(refused, busy)
                return
            body = result_body(command.id, result)
        except StoreError as error:
            if isinstance(error, StoreUnusable):
                self.outbox.mail(SUPERVISOR, StoreDamaged(why=str(error)))
            body = refusal_body(command.id, Unavailable(f"the store cannot be read: {error}"))
        except CommandRefused as refusal:
            body = refusal_body(command.id, refusal)
        except Exception as error:  # noqa: BLE001 # logged in _defect: one question's is no other command's trouble
            self._defect(request, error)
            return
        self.outbox.reply(request.envelope, body)

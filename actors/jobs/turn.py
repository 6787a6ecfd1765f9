"""One turn of the Queue: everything that a batch of messages changes, in one transaction, and what is then said of it.

Nothing is sent before the transaction is on disk. Every change of a job's status goes through `move`, and every
durable event through `event`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from actors.catalogue import CATALOGUE
from actors.jobs.admit import Admitted
from actors.jobs.ledger import Ledger
from actors.jobs.model import Job, Live, timestamp, view
from actors.jobs.records import AuditRow, CommandRecord, CommandRow, EventRow
from actors.jobs.states import is_ended, next_status
from actors.jobs.store import Store
from actors.mail import LiveUpdate, Mail
from bus import codec
from bus import messages as m
from bus.inbox import Request


class Cause(NamedTuple):
    """Who asked, and with which command; nobody did where both are None."""

    by: str | None = None
    command_id: str | None = None

    @classmethod
    def of(cls, request: Request) -> "Cause":
        """The cause that a command is."""
        return cls(request.by, request.command.id)


NOBODY = Cause()

WITH_VIEW = frozenset({"job.completed", "job.failed", "job.cancelled"})
"""The events that end a job carry its view as `data.job`."""


class Published(NamedTuple):
    """An event on its way out."""

    topic: str
    body: bytes


class Line(NamedTuple):
    """A line for the log."""

    level: str
    name: str
    keys: dict[str, Any]


class Turn:
    """Collects what is to be written, and what is to be sent once it is. Lives for one transaction."""

    def __init__(self, store: Store, ledger: Ledger) -> None:
        self.store = store
        self.ledger = ledger
        self.now = timestamp()
        self.published: list[Published] = []
        self.live: list[LiveUpdate] = []
        self.mails: list[tuple[str, Mail]] = []
        self.replies: list[tuple[tuple[bytes, ...], bytes]] = []
        self.lines: list[Line] = []
        self.timers: list[tuple[float, str]] = []
        self.log_level: m.LogLevelName | None = None
        self.ended: list[Job] = []
        self.is_last = False  # nothing is left to do for a daemon that is to end
        self.render_deaths: Counter[tuple[str, int]] = Counter()
        self.commands: dict[tuple[str, str], CommandRow] = {}
        self.known: dict[tuple[str, str], CommandRecord] = {}
        self._events: list[EventRow] = []
        self._audit: list[AuditRow] = []

    # ------------------------------------------------------------ the one way a status changes

    def move(self, job: Job, trigger: str) -> None:
        """Take `job` where `trigger` leads from its status. Raises `IllegalMove`.

        The caller sets what else belongs to the move, then tells of it with `event`, then saves.
        """
        self.count(job, -1)
        was, status = job.status, next_status(job.status, trigger)
        job.status = status  # type: ignore[assignment] # the table holds the protocol's statuses
        self.count(job, 1)
        job.phase = "starting" if status == "processing" else None
        if was == "processing":
            self.ledger.live.pop(job.id, None)
        job.not_before = job.low_folder = None
        if job.paused is not None:
            job.paused = None if is_ended(status) else replace(job.paused, released=False)  # it keeps none in the queue
        if is_ended(status):
            job.finished_at = self.now
            job.expires_at = timestamp(job.spec.ttl)
            job.expires_after = self.ledger.steady.now() + job.spec.ttl
            self.ended.append(job)
            self.ledger.may_keep_more = True

    def render_died(self, job: Job) -> int:
        """Count the death of a Render; how many have died of this attempt. It holds once this turn is on disk.

        Not of this run: one that dies before it has a child leaves nothing to take over, and so another run follows.
        """
        attempt = (job.id, job.attempts)
        self.render_deaths[attempt] += 1
        return self.ledger.render_deaths[attempt] + self.render_deaths[attempt]

    def count(self, job: Job, change: Literal[1, -1]) -> None:
        """Add a job as it stands to what is known of all, or take it away before it is changed."""
        self.ledger.count(job, change)
        if job.status == "queued":
            self.store.places.count(job, change)

    def change(self, job: Job, **fields: Any) -> None:
        """Set what decides on the job's slots or its place: its phase, its pause, its priority and rank."""
        self.count(job, -1)
        for name, value in fields.items():
            setattr(job, name, value)
        self.count(job, 1)

    # ------------------------------------------------------------ events

    def event(self, kind: str, data: dict[str, Any], *, job: Job | None = None, cause: Cause = NOBODY) -> None:
        """A durable event: `kind` is `job.…` or `daemon.…`. Gives the job its seq; `data` may hold structs."""
        self.ledger.seq += 1
        seq = self.ledger.seq
        if job is not None:
            job.seq = seq
        event = m.Event(
            seq=seq,
            at=self.now,
            type=kind,
            job_id=job.id if job else None,
            session=job.session if job else None,
            by=cause.by,
            command_id=cause.command_id,
            data=data,
        )
        if job is not None and kind in WITH_VIEW:
            data["job"] = self.view(job)
        body = codec.encode(event)
        self._events.append(EventRow(seq, event.job_id, body))
        self.published.append(Published(event.topic, body))
        if self.ledger.tally is not None:
            self.ledger.tally.note(kind, data, job, self.now, self.history)

    def history(self, job: Job) -> list[m.Event]:
        """Every event of a job, this turn's included."""
        bodies = self.store.records.events_of(job.id) + [event.body for event in self._events if event.job_id == job.id]
        return [codec.decode_event(body) for body in bodies]

    def ephemeral(self, kind: str, data: dict[str, Any], job: Job | None = None) -> None:
        """An event that is not stored and may be dropped."""
        event = m.Event(
            seq=None, at=self.now, type=kind, job_id=job.id if job else None,
            session=job.session if job else None, by=None, command_id=None, data=data,
        )  # fmt: skip
        self.published.append(Published(event.topic, codec.encode(event)))

    # ------------------------------------------------------------ jobs

    @cached_property
    def shapes(self) -> set[str]:
        """What jobs take that wait for slots, from the first look in this turn on; who adds a job adds its shape."""
        return set(self.store.ready_shapes())

    def view(self, job: Job, position: int | None = None) -> m.JobView:
        """The job as it stands in this turn."""
        return view(job, self.ledger.live.get(job.id), position)

    def placed(self, job: Job) -> m.JobView:
        """The same, with its place in the queue where it has one."""
        return self.view(job, self.store.position(job))

    def reset_outputs(self, job: Job, status: m.OutputStatus) -> None:
        """Give every output that is not complete this status."""
        for output in job.outputs:
            if not output.is_complete:
                output.status = status
                if status == "pending":
                    output.progress, output.speed, output.started_at, output.finished_at = (
                        0.0,
                        None,
                        None,
                        None,
                    )
                elif status == "cancelled":
                    output.finished_at = output.finished_at or self.now

    def save(self, job: Job) -> None:
        """Write the job and all its outputs."""
        self.store.save(job, *job.outputs)

    # ------------------------------------------------------------ what is said

    def show(self, job: Job, live: Live | None) -> None:
        """What is known of a running job and not stored, for whoever asks; None where there is nothing any more."""
        if live is None:
            self.ledger.live.pop(job.id, None)
        else:
            self.ledger.live[job.id] = live
        self.live.append(LiveUpdate(job_id=job.id, live=live))

    def mail(self, address: str, message: Mail) -> None:
        """For another actor, once this turn is on disk."""
        self.mails.append((address, message))

    def timer(self, seconds: float, what: str) -> None:
        """A tick for the Queue, so many seconds after this turn is on disk."""
        self.timers.append((seconds, what))

    def reply(self, envelope: tuple[bytes, ...], body: bytes) -> None:
        """For the client that asked, once this turn is on disk."""
        self.replies.append((envelope, body))

    def recall(self, requests: Iterable[Request]) -> None:
        """Look up, once for all, which of these commands came before, and who is to write the outputs of submits."""
        asked: defaultdict[str, list[str]] = defaultdict(list)
        targets: list[str] = []
        for request in requests:
            asked[request.by].append(request.command.id)
            if isinstance(request.prepared, Admitted):
                targets += [output.target for output in request.prepared.outputs]
        self.store.find_takers(targets)
        for by, ids in asked.items():
            for command_id, record in self.store.records.commands(by, ids).items():
                self.known[by, command_id] = record

    def remember(self, row: CommandRow) -> None:
        """The command and its reply, for when it comes again."""
        self.commands[row.asked_by, row.id] = row

    def answer(self, asked_by: str, command_id: str, reply: bytes) -> None:
        """The reply that a remembered command gets in the end."""
        row = self.commands.get((asked_by, command_id))
        if row is not None:
            if not row.held:
                return
            self.commands[asked_by, command_id] = row._replace(held=0, reply=reply)
            return
        self.store.records.answer(asked_by, command_id, reply)
        known = self.known.get((asked_by, command_id))
        if known is not None and known.held:
            self.known[asked_by, command_id] = known._replace(held=False, reply=reply)

    def audit(self, request: Request, job_id: str | None, outcome: str, message: str | None = None) -> None:
        """Who changed what."""
        kind = str(request.command.__struct_config__.tag)
        self._audit.append(AuditRow(self.now, request.by, kind, job_id, request.command.id, outcome, message))

    def log(self, name: str, **keys: Any) -> None:
        """A line for the log, once this turn is on disk."""
        self.lines.append(Line(CATALOGUE[name].level, name, keys))

    def write(self) -> None:
        """Hand what was collected to the store, within its transaction."""
        self.store.records.write(self._events, list(self.commands.values()), self._audit)

"""What another Python process imports to talk to Rushes.

    from bus.client import Client

    with Client() as rushes:
        job = rushes.submit({"inputs": [{"path": "/in.mov"}], "outputs": [{"path": "/out.mp4"}]}).job
        print(rushes.wait(job.id).status)

`AsyncClient` in `bus.aio` is its twin for asyncio.
"""

import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import msgspec
import zmq

from bus import codec
from bus import messages as m
from bus.address import check_owner, default_address, endpoints, ipc_folder
from bus.errors import REFUSALS, BusError, Internal, Invalid, NoDaemon
from bus.follow import Follower, Next

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
    body = codec.encode({"v": 1, "id": "check", "type": "submit", "job": msgspec.to_builtins(job)})
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
        return msgspec.convert(reply.result, kind)
    error = reply.error or m.ReplyError("internal", "the reply carries neither result nor error")
    raise REFUSALS.get(error.code, Internal)(error.message, error.details)


class Connection:
    """What both clients need to know and to set: the address, its sockets' options. Holds no socket."""

    def __init__(self, bus: str | None) -> None:
        self.address = bus or default_address()
        self.endpoints = endpoints(self.address)
        folder = ipc_folder(self.address)
        if folder is not None:
            check_owner(folder)

    def prepare(self, socket: Any) -> None:
        """Options for a socket that outlives restarts of the daemon."""
        socket.linger = 0
        socket.reconnect_ivl = 20  # ms: a daemon that comes back is found at once
        socket.reconnect_ivl_max = 500

    def no_daemon(self, seconds: float) -> NoDaemon:
        """What to raise when nobody answered for that long."""
        return NoDaemon(f"no daemon answered at {self.address} within {seconds:.3g} s; is `rushes serve` running?")


class Client:
    """A connection to one daemon, for one thread at a time.

    Args:
        bus: the bus address; else `RUSHES_BUS`, else the per-user default.
        deadline: seconds a request waits for its reply before `NoDaemon`.

    Every command's method raises `CommandRefused` (the subclass for the reply's code) where the daemon refuses it,
    and `NoDaemon` where none answers. `command_id` may be given to make a repetition by another process safe, too.

    Raises:
        BadAddress: `bus` cannot be used.

    """

    def __init__(self, bus: str | None = None, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._connection = Connection(bus)
        self._deadline = deadline
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        self._connection.prepare(self._dealer)
        self._dealer.immediate = 1  # nothing is queued for a daemon that is not there
        self._dealer.connect(self._connection.endpoints.commands)

    @property
    def address(self) -> str:
        """The bus address in use."""
        return self._connection.address

    def close(self) -> None:
        """Let go of the sockets. Streams made by `events` end with it."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------ commands that change something

    def submit(
        self,
        job: m.JobSpec | Mapping[str, Any],
        *,
        wait: float | None = None,
        command_id: str | None = None,
    ) -> m.JobResult:
        """Queue a job. Raises `Invalid` before anything is sent where the spec is malformed."""
        spec = job_spec(job)
        return self.call(m.Submit(id=command_id or new_id(), wait=wait, job=spec), m.JobResult)

    def cancel(
        self,
        job_id: str,
        *,
        reason: str = "user_request",
        notes: str | None = None,
        wait: float | None = None,
        command_id: str | None = None,
    ) -> m.CancelResult:
        """Stop a job. Without `wait` a running one is still `stopping` when this returns."""
        command = m.Cancel(id=command_id or new_id(), wait=wait, job_id=job_id, reason=reason, notes=notes)
        return self.call(command, m.CancelResult)

    def delete(
        self,
        job_id: str,
        *,
        force: bool = False,
        keep_files: bool = False,
        wait: float | None = None,
        command_id: str | None = None,
    ) -> m.DeleteResult:
        """Remove a job and the files it made."""
        command = m.Delete(id=command_id or new_id(), wait=wait, job_id=job_id, force=force, keep_files=keep_files)
        return self.call(command, m.DeleteResult)

    def boost(
        self,
        job_id: str,
        *,
        priority: int | None = None,
        by: int | None = None,
        front: bool = False,
        command_id: str | None = None,
    ) -> m.BoostResult:
        """Move a queued job: give exactly one of `priority`, `by` and `front`."""
        command = m.Boost(id=command_id or new_id(), job_id=job_id, priority=priority, by=by, front=front)
        return self.call(command, m.BoostResult)

    def retry(self, job_id: str, *, wait: float | None = None, command_id: str | None = None) -> m.JobResult:
        """Queue a failed job again; outputs that had completed are kept."""
        return self.call(m.Retry(id=command_id or new_id(), wait=wait, job_id=job_id), m.JobResult)

    def drain(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start no further job until `resume`, over restarts too."""
        return self.call(m.Drain(id=command_id or new_id()), m.DrainResult)

    def resume(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start jobs again."""
        return self.call(m.Resume(id=command_id or new_id()), m.DrainResult)

    def shutdown(self, mode: Literal["stop", "drain"] = "stop", *, command_id: str | None = None) -> m.ShutdownResult:
        """End the daemon."""
        return self.call(m.Shutdown(id=command_id or new_id(), mode=mode), m.ShutdownResult)

    # ------------------------------------------------------------ commands that read

    def get(self, job_id: str, *, wait: float | None = None) -> m.JobResult:
        """One job's view; with `wait`, once it has ended or that many seconds have passed."""
        return self.call(m.Get(id=new_id(), wait=wait, job_id=job_id), m.JobResult)

    def list(
        self,
        *,
        status: Sequence[m.JobStatus] | None = None,
        session: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: Literal["newest", "oldest", "queue"] = "newest",
    ) -> m.ListResult:
        """A page of jobs; `jobs` goes through all of them."""
        wanted = None if status is None else tuple(status)
        command = m.List(
            id=new_id(),
            status=wanted,
            session=session,
            prefix=prefix,
            limit=limit,
            cursor=cursor,
            order=order,
        )
        return self.call(command, m.ListResult)

    def jobs(
        self,
        *,
        status: Sequence[m.JobStatus] | None = None,
        session: str | None = None,
        order: Literal["newest", "oldest", "queue"] = "newest",
    ) -> Iterator[m.JobView]:
        """Every job that fits, page by page."""
        cursor: str | None = None
        while True:
            page = self.list(status=status, session=session, order=order, limit=1000, cursor=cursor)
            yield from page.jobs
            cursor = page.cursor
            if cursor is None:
                return

    def events_page(self, since: int = 0, *, job_id: str | None = None, limit: int = 1000) -> m.EventsResult:
        """A page of durable events; `events` follows them."""
        return self.call(m.Events(id=new_id(), since=since, job_id=job_id, limit=limit), m.EventsResult)

    def log(
        self,
        job_id: str,
        *,
        output: int | None = None,
        attempt: int | None = None,
        tail: int | None = None,
        offset: int | None = None,
    ) -> m.LogResult:
        """What FFmpeg said on stderr."""
        command = m.Log(id=new_id(), job_id=job_id, output=output, attempt=attempt, tail=tail, offset=offset)
        return self.call(command, m.LogResult)

    def audit(self, since: int = 0, *, limit: int = 1000) -> m.AuditResult:
        """A page of who changed what."""
        return self.call(m.Audit(id=new_id(), since=since, limit=limit), m.AuditResult)

    def status(self) -> m.StatusResult:
        """The daemon itself."""
        return self.call(m.Status(id=new_id()), m.StatusResult)

    # ------------------------------------------------------------ over time

    def wait(self, job_id: str, timeout: float | None = None) -> m.JobView:
        """The job's view once it is completed, failed or cancelled.

        Raises:
            TimeoutError: it had not ended after `timeout` seconds.
            NotFound: there is no such job, or it was deleted meanwhile.

        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = WAIT_STEP_SECONDS if end is None else max(0.0, end - time.monotonic())
            job = self.get(job_id, wait=min(left, WAIT_STEP_SECONDS)).job
            if job.status in ENDED:
                return job
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout} s")

    def events(self, since: int | None = None, *, ephemeral: bool = False) -> "EventStream":
        """Every durable event after `since` (None: from now on), in order, without a gap, for ever.

        It lives through restarts of the daemon. With `ephemeral`, `progress` and heartbeats come in between.
        """
        return EventStream(self, self._context, self._connection, since, ephemeral=ephemeral)

    # ------------------------------------------------------------ the request itself

    def call(self, command: m.Command, kind: type[T]) -> T:
        """Send `command` until it is answered; its result as `kind`."""
        body = codec.encode(command)
        seconds = self._deadline + (command.wait or 0)
        deadline = time.monotonic() + seconds
        every = RESEND_HELD_SECONDS if command.wait else RESEND_SECONDS
        resend_at = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= resend_at and self._dealer.poll(self._ms(deadline - now), zmq.POLLOUT):
                self._dealer.send(body)
                resend_at = time.monotonic() + every
            if self._dealer.poll(self._ms(min(resend_at, deadline) - time.monotonic())):
                reply = codec.decode_reply(self._dealer.recv_multipart()[-1])
                if reply.re == command.id or (reply.re is None and not reply.ok):
                    return read_reply(reply, kind)
        raise self._connection.no_daemon(seconds)

    @staticmethod
    def _ms(seconds: float) -> int:
        return max(0, int(seconds * 1000) + 1)


class EventStream:
    """The events of one daemon, made whole. An iterator; or `next(timeout)`, which gives None after that long."""

    def __init__(
        self,
        client: Client,
        context: "zmq.Context[zmq.Socket[bytes]]",
        connection: Connection,
        since: int | None,
        *,
        ephemeral: bool,
    ) -> None:
        self._client = client
        self._sub = context.socket(zmq.SUB)
        connection.prepare(self._sub)
        self._sub.rcvhwm = 100_000  # a burst is kept rather than fetched again
        self._sub.subscribe(b"")
        self._sub.connect(connection.endpoints.events)
        start = client.status().last_seq if since is None else since
        self._follower = Follower(start, ephemeral=ephemeral)
        self.seen = start
        """The seq of the last event given: the `since` that goes on from here."""
        self._ready: deque[m.Event] = deque()
        self._fetch = True

    def __iter__(self) -> Iterator[m.Event]:
        return self

    def __next__(self) -> m.Event:
        event = self.next(None)
        assert event is not None
        return event

    def next(self, timeout: float | None) -> m.Event | None:
        """The next event, or None when there was none for `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._ready:
                event = self._ready.popleft()
                self.seen = event.seq or self.seen
                return event
            if self._fetch:
                self._catch_up()
                continue
            left = 3600.0 if end is None else end - time.monotonic()
            if left <= 0:
                return None
            if self._sub.poll(Client._ms(left)):
                self._hear(codec.decode_event(self._sub.recv_multipart()[-1]))

    def _hear(self, event: m.Event) -> None:
        match self._follower.offer(event):
            case Next.GIVE:
                self._ready.append(event)
            case Next.FETCH:
                self._fetch = True
            case Next.SKIP:
                pass

    def _catch_up(self) -> None:
        """Fetch one page of what is missing; without a daemon, leave it to the next heartbeat."""
        self._fetch = False
        try:
            page = self._client.events_page(self._follower.seen)
        except NoDaemon:
            return
        self._ready.extend(self._follower.page(page))
        self._fetch = not self._follower.whole(page)

    def close(self) -> None:
        """Stop listening."""
        self._sub.close(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["BusError", "Client", "EventStream", "Invalid", "NoDaemon"]

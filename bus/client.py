"""What another Python process imports to talk to Rushes.

    from bus.client import Client

    with Client() as rushes:
        job = rushes.submit({"inputs": [{"path": "/in.mov"}], "outputs": [{"path": "/out.mp4"}]}).job
        print(rushes.wait(job.id).status)

`AsyncClient` in `bus.aio` is its twin for asyncio.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq

from bus import codec
from bus import messages as m
from bus.request import (
    DEADLINE_SECONDS,
    ENDED,
    RESEND_HELD_SECONDS,
    RESEND_SECONDS,
    WAIT_STEP_SECONDS,
    Connection,
    Copies,
    job_spec,
    milliseconds,
    new_id,
    read_reply,
)
from bus.stream import EventStream

T = TypeVar("T")


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
        self._dealer = self._connect()

    @property
    def address(self) -> str:
        """The bus address in use."""
        return self._connection.address

    def close(self) -> None:
        """Let go of the sockets. Streams made by `events` end with it."""
        self._connection.close()

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
        dry_run: bool = False,
        command_id: str | None = None,
    ) -> m.JobResult:
        """Queue a job. Raises `Invalid` before anything is sent where the spec is malformed."""
        spec = job_spec(job)
        return self.call(m.Submit(id=command_id or new_id(), wait=wait, job=spec, dry_run=dry_run), m.JobResult)

    def cancel(
        self,
        job_id: str,
        *,
        reason: str = "user_request",
        notes: str | None = None,
        wait: float | None = None,
        dry_run: bool = False,
        command_id: str | None = None,
    ) -> m.CancelResult:
        """Stop a job. Without `wait` a running one is still `stopping` when this returns."""
        command = m.Cancel(
            id=command_id or new_id(), wait=wait, job_id=job_id, reason=reason, notes=notes, dry_run=dry_run
        )
        return self.call(command, m.CancelResult)

    def delete(
        self,
        job_id: str,
        *,
        force: bool = False,
        keep_files: bool = False,
        wait: float = WAIT_STEP_SECONDS,
        dry_run: bool = False,
        command_id: str | None = None,
    ) -> m.DeleteResult:
        """Remove a job and the files it made; `status` is `deleting` where that took longer than `wait` seconds."""
        command = m.Delete(
            id=command_id or new_id(), wait=wait, job_id=job_id, force=force, keep_files=keep_files, dry_run=dry_run
        )
        return self.call(command, m.DeleteResult)

    def boost(
        self,
        job_id: str,
        *,
        priority: int | None = None,
        by: int | None = None,
        front: bool = False,
        dry_run: bool = False,
        command_id: str | None = None,
    ) -> m.BoostResult:
        """Move a queued job: give exactly one of `priority`, `by` and `front`."""
        command = m.Boost(
            id=command_id or new_id(), job_id=job_id, priority=priority, by=by, front=front, dry_run=dry_run
        )
        return self.call(command, m.BoostResult)

    def retry(
        self, job_id: str, *, wait: float | None = None, dry_run: bool = False, command_id: str | None = None
    ) -> m.JobResult:
        """Queue a failed job again; outputs that had completed are kept."""
        command = m.Retry(id=command_id or new_id(), wait=wait, job_id=job_id, dry_run=dry_run)
        return self.call(command, m.JobResult)

    def pause(self, job_id: str, *, release: bool = False, command_id: str | None = None) -> m.PauseResult:
        """Hold a job where it is; with `release`, others may have its slots meanwhile."""
        return self.call(m.Pause(id=command_id or new_id(), job_id=job_id, release=release), m.PauseResult)

    def unpause(self, job_id: str, *, command_id: str | None = None) -> m.PauseResult:
        """Let a job go on."""
        return self.call(m.Unpause(id=command_id or new_id(), job_id=job_id), m.PauseResult)

    def set_slots(self, slots: Mapping[str, int], *, command_id: str | None = None) -> m.SlotsResult:
        """How many slots there are of some resources, from now on."""
        return self.call(m.SetSlots(id=command_id or new_id(), slots=dict(slots)), m.SlotsResult)

    def drain(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start no further job until `resume`, over restarts too."""
        return self.call(m.Drain(id=command_id or new_id()), m.DrainResult)

    def resume(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start jobs again."""
        return self.call(m.Resume(id=command_id or new_id()), m.DrainResult)

    def shutdown(self, mode: m.ShutdownMode = "stop", *, command_id: str | None = None) -> m.ShutdownResult:
        """End the daemon."""
        return self.call(m.Shutdown(id=command_id or new_id(), mode=mode), m.ShutdownResult)

    def log_level(self, level: m.LogLevelName, *, command_id: str | None = None) -> m.LogLevelResult:
        """Have the daemon's log say more or less, until it ends."""
        return self.call(m.LogLevel(id=command_id or new_id(), level=level), m.LogLevelResult)

    def backup(self, path: str, *, wait: float = WAIT_STEP_SECONDS) -> m.BackupResult:
        """Have the daemon copy its store to a file that does not exist; patience for so many seconds more."""
        return self.call(m.Backup(id=new_id(), wait=wait, path=path), m.BackupResult)

    # ------------------------------------------------------------ commands that read

    def get(self, job_id: str, *, wait: float | None = None) -> m.JobResult:
        """One job's view; with `wait`, once it has ended or that many seconds have passed."""
        return self.call(m.Get(id=new_id(), wait=wait, job_id=job_id), m.JobResult)

    def why(self, job_id: str) -> m.WhyResult:
        """Why a job is not running, or what it came to, with an estimate of when."""
        return self.call(m.Why(id=new_id(), job_id=job_id), m.WhyResult)

    def session(self, name: str) -> m.SessionResult:
        """The jobs of a session, summed up. Raises `NotFound` where it has none."""
        return self.call(m.Session(id=new_id(), session=name), m.SessionResult)

    def list(
        self,
        *,
        status: Sequence[m.JobStatus] | None = None,
        session: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        order: m.JobOrder = "newest",
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
        order: m.JobOrder = "newest",
    ) -> Iterator[m.JobView]:
        """Every job that fits, page by page."""
        cursor: str | None = None
        while True:
            page = self.list(status=status, session=session, order=order, limit=1000, cursor=cursor)
            yield from page.jobs
            cursor = page.cursor
            if cursor is None:
                return

    def formats(self) -> m.FormatsResult:
        """The output presets, each tried with the daemon's FFmpeg."""
        return self.call(m.Formats(id=new_id()), m.FormatsResult)

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

    def events(self, since: int | None = None, *, ephemeral: bool = False) -> EventStream:
        """Every durable event after `since` (None: from now on), in order, without a gap, for ever.

        It lives through restarts of the daemon. With `ephemeral`, `progress` comes in between.
        """
        start = self.status().last_seq if since is None else since
        return EventStream(self._connection, self.events_page, start, ephemeral=ephemeral)

    # ------------------------------------------------------------ the request itself

    def _connect(self) -> "zmq.Socket[bytes]":
        dealer: zmq.Socket[bytes] = self._connection.dealer(zmq.Context.instance())
        return dealer

    def call(self, command: m.Command, kind: type[T]) -> T:
        """Send `command` until it is answered; its result as `kind`."""
        copies = Copies(codec.encode(command))
        seconds = self._deadline + (command.wait or 0)
        deadline = time.monotonic() + seconds
        every = RESEND_HELD_SECONDS if command.wait else RESEND_SECONDS
        resend_at = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= resend_at:
                if (copy := copies.next()) is not None:
                    self._dealer.send(copy, copy=False)
                resend_at = time.monotonic() + every
            if self._dealer.poll(milliseconds(min(resend_at, deadline) - time.monotonic())):
                reply = codec.decode_reply(self._dealer.recv_multipart()[-1])
                if reply.re == command.id or (reply.re is None and not reply.ok):
                    return read_reply(reply, kind)
        self._dealer.close()  # what was given up on is not sent later
        self._dealer = self._connect()
        raise self._connection.no_daemon(seconds)

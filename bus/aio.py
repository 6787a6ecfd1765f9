"""The asyncio twin of `bus.client`: the same methods, the same typed results, the same errors.

    from bus.aio import AsyncClient

    async with AsyncClient() as rushes:
        job = (await rushes.submit({"inputs": [{"path": "/in.mov"}], "outputs": [{"path": "/out.mp4"}]})).job
        print((await rushes.wait(job.id)).status)

Any number of tasks may use one `AsyncClient` at once; it belongs to one event loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import zmq
import zmq.asyncio

from bus import codec
from bus import messages as m
from bus.aio_events import AsyncEventStream
from bus.errors import CommandRefused, NoDaemon
from bus.request import (
    DEADLINE_SECONDS,
    ENDED,
    RESEND_HELD_SECONDS,
    RESEND_SECONDS,
    WAIT_STEP_SECONDS,
    Connection,
    Copies,
    job_spec,
    new_id,
    read_reply,
)

T = TypeVar("T")


class AsyncClient:
    """A connection to one daemon, for every task of one event loop.

    Args:
        bus: the bus address; else `RUSHES_BUS`, else the per-user default.
        deadline: seconds a request waits for its reply before `NoDaemon`.

    Every command's method raises `CommandRefused` (its subclass for the code) where the daemon refuses
    it, and `NoDaemon` where none answers. `command_id` may be given to make a repetition by another process
    safe, too.

    Raises:
        BadAddress: `bus` cannot be used.

    """

    def __init__(self, bus: str | None = None, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._connection = Connection(bus)
        self._deadline = deadline
        self._dealer = self._connect()
        self._waiting: dict[str, asyncio.Future[m.Reply]] = {}
        self._reader: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The bus address in use."""
        return self._connection.address

    async def close(self) -> None:
        """Let go of the sockets. Requests under way fail, streams made by `events` end with it."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        self._fail_all(NoDaemon("the client was closed"))
        self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # ------------------------------------------------------------ commands that change something

    async def submit(
        self,
        job: m.JobSpec | Mapping[str, Any],
        *,
        wait: float | None = None,
        dry_run: bool = False,
        command_id: str | None = None,
    ) -> m.JobResult:
        """Queue a job. Raises `Invalid` before anything is sent where the spec is malformed."""
        command = m.Submit(id=command_id or new_id(), wait=wait, job=job_spec(job), dry_run=dry_run)
        return await self.call(command, m.JobResult)

    async def cancel(
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
        return await self.call(command, m.CancelResult)

    async def delete(
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
        return await self.call(command, m.DeleteResult)

    async def boost(
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
        return await self.call(command, m.BoostResult)

    async def retry(
        self, job_id: str, *, wait: float | None = None, dry_run: bool = False, command_id: str | None = None
    ) -> m.JobResult:
        """Queue a failed job again; outputs that had completed are kept."""
        command = m.Retry(id=command_id or new_id(), wait=wait, job_id=job_id, dry_run=dry_run)
        return await self.call(command, m.JobResult)

    async def pause(self, job_id: str, *, release: bool = False, command_id: str | None = None) -> m.PauseResult:
        """Hold a job where it is; with `release`, others may have its slots meanwhile."""
        return await self.call(m.Pause(id=command_id or new_id(), job_id=job_id, release=release), m.PauseResult)

    async def unpause(self, job_id: str, *, command_id: str | None = None) -> m.PauseResult:
        """Let a job go on."""
        return await self.call(m.Unpause(id=command_id or new_id(), job_id=job_id), m.PauseResult)

    async def set_slots(self, slots: Mapping[str, int], *, command_id: str | None = None) -> m.SlotsResult:
        """How many slots there are of some resources, from now on."""
        return await self.call(m.SetSlots(id=command_id or new_id(), slots=dict(slots)), m.SlotsResult)

    async def drain(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start no further job until `resume`, over restarts too."""
        return await self.call(m.Drain(id=command_id or new_id()), m.DrainResult)

    async def resume(self, *, command_id: str | None = None) -> m.DrainResult:
        """Start jobs again."""
        return await self.call(m.Resume(id=command_id or new_id()), m.DrainResult)

    async def shutdown(self, mode: m.ShutdownMode = "stop", *, command_id: str | None = None) -> m.ShutdownResult:
        """End the daemon."""
        return await self.call(m.Shutdown(id=command_id or new_id(), mode=mode), m.ShutdownResult)

    async def log_level(self, level: m.LogLevelName, *, command_id: str | None = None) -> m.LogLevelResult:
        """Have the daemon's log say more or less, until it ends."""
        return await self.call(m.LogLevel(id=command_id or new_id(), level=level), m.LogLevelResult)

    async def backup(self, path: str, *, wait: float = WAIT_STEP_SECONDS) -> m.BackupResult:
        """Have the daemon copy its store to a file that does not exist; patience for so many seconds more."""
        return await self.call(m.Backup(id=new_id(), wait=wait, path=path), m.BackupResult)

    # ------------------------------------------------------------ commands that read

    async def get(self, job_id: str, *, wait: float | None = None) -> m.JobResult:
        """One job's view; with `wait`, once it has ended or that many seconds have passed."""
        return await self.call(m.Get(id=new_id(), wait=wait, job_id=job_id), m.JobResult)

    async def why(self, job_id: str) -> m.WhyResult:
        """Why a job is not running, or what it came to, with an estimate of when."""
        return await self.call(m.Why(id=new_id(), job_id=job_id), m.WhyResult)

    async def session(self, name: str) -> m.SessionResult:
        """The jobs of a session, summed up. Raises `NotFound` where it has none."""
        return await self.call(m.Session(id=new_id(), session=name), m.SessionResult)

    async def list(
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
        return await self.call(command, m.ListResult)

    async def jobs(
        self,
        *,
        status: Sequence[m.JobStatus] | None = None,
        session: str | None = None,
        order: m.JobOrder = "newest",
    ) -> AsyncIterator[m.JobView]:
        """Every job that fits, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list(status=status, session=session, order=order, limit=1000, cursor=cursor)
            for job in page.jobs:
                yield job
            cursor = page.cursor
            if cursor is None:
                return

    async def formats(self) -> m.FormatsResult:
        """The output presets, each tried with the daemon's FFmpeg."""
        return await self.call(m.Formats(id=new_id()), m.FormatsResult)

    async def events_page(self, since: int = 0, *, job_id: str | None = None, limit: int = 1000) -> m.EventsResult:
        """A page of durable events; `events` follows them."""
        return await self.call(m.Events(id=new_id(), since=since, job_id=job_id, limit=limit), m.EventsResult)

    async def log(
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
        return await self.call(command, m.LogResult)

    async def audit(self, since: int = 0, *, limit: int = 1000) -> m.AuditResult:
        """A page of who changed what."""
        return await self.call(m.Audit(id=new_id(), since=since, limit=limit), m.AuditResult)

    async def status(self) -> m.StatusResult:
        """The daemon itself."""
        return await self.call(m.Status(id=new_id()), m.StatusResult)

    # ------------------------------------------------------------ over time

    async def wait(self, job_id: str, timeout: float | None = None) -> m.JobView:
        """The job's view once it is completed, failed or cancelled.

        Raises:
            TimeoutError: it had not ended after `timeout` seconds.
            NotFound: there is no such job, or it was deleted meanwhile.

        """
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = WAIT_STEP_SECONDS if end is None else max(0.0, end - time.monotonic())
            job = (await self.get(job_id, wait=min(left, WAIT_STEP_SECONDS))).job
            if job.status in ENDED:
                return job
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {job_id} is still {job.status} after {timeout} s")

    def events(self, since: int | None = None, *, ephemeral: bool = False) -> AsyncEventStream:
        """Every durable event after `since` (None: from now on), in order, without a gap, for ever.

        It lives through restarts of the daemon. With `ephemeral`, `progress` comes in between. "Now" is when
        the stream is entered with `async with`, else when it is first asked for an event.
        """
        return AsyncEventStream(self, self._connection, since, ephemeral=ephemeral)

    # ------------------------------------------------------------ the request itself

    async def call(self, command: m.Command, kind: type[T]) -> T:
        """Send `command` until it is answered; its result as `kind`."""
        body = codec.encode(command)
        refusal = codec.decode_command(body)[1]
        if isinstance(refusal, CommandRefused):
            # A command too broken to read would be refused without its id, and many may be waiting here.
            raise refusal
        if command.id in self._waiting:
            raise ValueError(f"command {command.id} is already under way on this client")
        seconds = self._deadline + (command.wait or 0)
        copies = Copies(body)
        every = RESEND_HELD_SECONDS if command.wait else RESEND_SECONDS
        reply = self._waiting[command.id] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                while not reply.done():
                    if (copy := copies.next()) is not None:
                        await self._send(copy, reply)
                    await asyncio.wait({reply}, timeout=every)
        except TimeoutError:
            self._drop_unsent()
            raise self._connection.no_daemon(seconds) from None
        finally:
            del self._waiting[command.id]
        return read_reply(reply.result(), kind)

    def _connect(self) -> zmq.asyncio.Socket:
        dealer: zmq.asyncio.Socket = self._connection.dealer(zmq.asyncio.Context.instance())
        return dealer

    def _drop_unsent(self) -> None:
        """What was given up on is not sent later. Others who wait send theirs again, as after any lost connection."""
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        self._dealer.close()
        self._dealer = self._connect()

    async def _send(self, copy: bytes | zmq.Frame, reply: asyncio.Future[m.Reply]) -> None:
        """Send a command, or give that up once it is answered or the socket is another."""
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read(), name="rushes replies")
        sending: asyncio.Future[Any] = asyncio.ensure_future(self._dealer.send(copy, copy=False))
        try:
            await asyncio.wait({sending, reply}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()

    async def _read(self) -> None:
        """The one reader of the socket: gives each reply to the request it answers."""
        try:
            while True:
                reply = codec.decode_reply((await self._dealer.recv_multipart())[-1])
                waiting = self._waiting.get(reply.re or "")
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
        except (codec.Undecodable, zmq.ZMQError) as error:
            self._fail_all(error)

    def _fail_all(self, error: Exception) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(error)

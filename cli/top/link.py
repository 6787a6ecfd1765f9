"""The bus, as `rushes top` uses it: one client that hears every event, and asks only for what events do not tell."""

import asyncio
from datetime import datetime

from bus.aio import AsyncClient
from bus.aio_events import AsyncEventStream
from bus.errors import Busy, NoDaemon, Unavailable
from bus.messages import BoostResult, JobView
from cli.top import moves
from cli.top.model import ENDED_KEPT, FEED_KEPT, QUEUE_SHOWN, Model

REFRESH_SECONDS = 0.5
"""Between two looks at what events have changed but do not tell, however many there were."""

LOOK_SECONDS = 1.0
SILENT_LOOKS = 3
"""How many looks without even a heartbeat, which comes each second, are a daemon that is gone."""

RUNNING_SHOWN = 1000
"""A page of `list`; there are as many slots as a machine has cores."""


class Link:
    """Keeps a model true. For one event loop.

    Args:
        bus: the bus address; else as for every client.
        model: what to keep.

    """

    def __init__(self, bus: str | None, model: Model) -> None:
        self.client = AsyncClient(bus)
        self._model = model
        self._heard_at = 0.0
        self._idle_looks = 0
        self._moving = asyncio.Lock()

    def check(self) -> None:
        """To be called before a command: nobody waits for an answer that is known not to come.

        Raises:
            NoDaemon: none is heard.

        """
        if self._model.silent_since is not None:
            raise NoDaemon(f"no daemon answers at {self.client.address}: nothing was sent; try again once one does")

    async def close(self) -> None:
        """Let go of the bus."""
        await self.client.close()

    async def follow(self) -> None:
        """Load all, then hear what happens, for ever.

        Raises:
            Undecodable, ValidationError: whoever answers is no daemon that this version understands.

        """
        asking = asyncio.create_task(self._ask_for_ever(), name="rushes top asks")
        try:
            while True:
                since = await self._load()
                async with self.client.events(since, ephemeral=True) as stream:
                    await self._hear(stream, asking)
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _load(self) -> int:
        """All that is shown, from the beginning; the seq to go on from. Waits for a daemon where there is none."""
        while True:
            try:
                return await self._load_once()
            except NoDaemon:
                self._silent()
            except (Busy, Unavailable):
                await asyncio.sleep(LOOK_SECONDS)

    async def _load_once(self) -> int:
        client, model = self.client, self._model
        last = (await client.status()).last_seq
        running = (await client.list(status=["processing"], limit=RUNNING_SHOWN)).jobs
        queue = (await client.list(order="queue", limit=QUEUE_SHOWN)).jobs
        ended = (await client.list(status=["completed", "failed", "cancelled"], limit=ENDED_KEPT)).jobs
        history = (await client.events_page(max(0, last - FEED_KEPT), limit=FEED_KEPT)).events
        status = await client.status()
        model.forget()
        for event in history:
            if event.seq is not None and event.seq <= last:
                model.take(event)
        model.stale.clear()
        model.seen = last
        model.take_running(running)
        model.take_queue(queue)
        model.take_ended(ended)
        model.take_status(status)
        self._heard()
        return last

    # ------------------------------------------------------------ what is heard

    async def _hear(self, stream: AsyncEventStream, asking: "asyncio.Task[None]") -> None:
        """Take events, until they are those of another store."""
        while True:
            event = await stream.next(LOOK_SECONDS)
            self._watch(stream, idle=event is None)
            if asking.done():
                asking.result()
            if event is None:
                continue
            if event.seq is not None and event.seq <= self._model.seen:
                return
            self._model.take(event)

    def _watch(self, stream: AsyncEventStream, *, idle: bool) -> None:
        """Looks count, not time: whoever stopped us with Ctrl-Z stopped no daemon."""
        if stream.heard_at != self._heard_at:
            self._heard_at = stream.heard_at
            self._heard()
        elif idle:
            self._idle_looks += 1
            if self._idle_looks >= SILENT_LOOKS:
                self._silent()

    def _heard(self) -> None:
        self._idle_looks = 0
        if self._model.silent_since is not None:
            self._model.silent_since = None
            self._model.version += 1

    def _silent(self) -> None:
        if self._model.silent_since is None:
            self._model.silent_since = datetime.now().astimezone().strftime("%H:%M:%S")
            self._model.version += 1

    # ------------------------------------------------------------ what is asked for

    async def _ask_for_ever(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            if self._model.silent_since is None:
                await self._ask()

    async def _ask(self) -> None:
        """Ask for what is stale. What changes meanwhile is stale again, and is asked for at the next look."""
        model, stale = self._model, set(self._model.stale)
        model.stale.clear()
        try:
            if "status" in stale:
                model.take_status(await self.client.status())
            if "running" in stale:
                model.take_running((await self.client.list(status=["processing"], limit=RUNNING_SHOWN)).jobs)
            if "queue" in stale:
                await self._queue()
        except (NoDaemon, Busy, Unavailable):
            model.stale |= stale

    # ------------------------------------------------------------ moves

    async def step(self, job_id: str, step: int) -> BoostResult | None:
        """Move a job before the one above it (`step` -1) or behind the one below it (1); None where there is none.

        Each try is held against the queue as it is afterwards, since no view tells how jobs of one priority stand.

        Raises:
            CommandRefused, NoDaemon: as every command.

        """
        async with self._moving:
            queue = await self._queue()
            ids = [job.id for job in queue]
            if job_id not in ids:  # the daemon says why not
                return await self.client.boost(job_id, by=-step)
            place = ids.index(job_id)
            if not 0 <= place + step < len(ids):
                return None
            job, other = queue[place], queue[place + step]
            result = None
            for move in moves.up(job, other) if step < 0 else moves.down(job, other):
                result = await self.client.boost(job_id, front=move.front, priority=move.priority)
                if _stands(await self._queue(), job_id, other.id, step):
                    break
            return result

    async def _queue(self) -> list[JobView]:
        queue = (await self.client.list(order="queue", limit=QUEUE_SHOWN)).jobs
        self._model.take_queue(queue)
        return queue


def _stands(queue: list[JobView], job_id: str, other_id: str, step: int) -> bool:
    """True where the job stands on that side of the other, or where one of them has left the page."""
    ids = [job.id for job in queue]
    if job_id not in ids or other_id not in ids:
        return True
    return (ids.index(job_id) - ids.index(other_id)) * step > 0

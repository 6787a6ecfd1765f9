"""The Supervisor actor: starts the others, hears of their deaths, starts them again, within a budget.

It keeps no truth. A Render that failed is started anew and takes over its child from the work folder. When the Queue
has failed, every Render is ended first (their children run on) and the new Queue orders them anew from the store: so
nothing that a dying Queue had not yet committed is lost. An ordered stop is asked for here, so that no Queue's death
makes it forgotten, and ends in time even where the Queue cannot store it.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pykka

from actors.base import QUEUE, SUPERVISOR, BusActor, render_address
from actors.mail import (
    ActorDied,
    ActorRestarted,
    BeginStop,
    QueueDone,
    RenderClosed,
    StartRender,
    StopBegun,
    StoreDamaged,
    Tick,
)
from actors.watcher import Watcher
from bus.hub import Hub

RESTARTS = 5
WINDOW_SECONDS = 60.0
"""More restarts within the window are no accident: the daemon ends, and its children are left to be adopted."""

FIRST_DELAY_SECONDS = 0.25
"""Before the second restart within the window, doubled for each after: what ails it (a full disk) may pass."""

STOP_MARGIN_SECONDS = 1.0
"""What the Queue gets beyond the time that an ordered stop may take, before the daemon ends without it."""

OVERDUE = "overdue"
"""The name of the timer that ends the daemon."""

Ref = pykka.ActorRef[Any]


class Supervisor(BusActor):
    """See the module. Runs in a thread of its own.

    Args:
        hub: the bus.
        watcher: for its timers.
        parts: how each standing actor is started, in order, by address.
        render: how a Render is started.
        stop_seconds: how long an ordered stop may take.
        finished: called once with the exit status when the daemon is to end.

    """

    reads = (
        StartRender | QueueDone | ActorDied | RenderClosed | StoreDamaged | BeginStop | StopBegun | Tick
    )  # fmt: skip

    def __init__(
        self,
        hub: Hub,
        watcher: Watcher,
        parts: dict[str, Callable[[], Ref]],
        render: Callable[[StartRender], Ref],
        stop_seconds: float,
        finished: Callable[[int], None],
    ) -> None:
        super().__init__(hub, SUPERVISOR)
        self._watcher = watcher
        self._parts = parts
        self._start_render = render
        self._stop_seconds = stop_seconds
        self._finished = finished
        self._standing: dict[str, Ref] = {}
        self._renders: dict[tuple[str, int], Ref] = {}
        self._restarts: deque[float] = deque()
        self._dead: dict[str, ActorDied] = {}
        self._asked_to_stop: BeginStop | None = None
        self._stopping: StopBegun | None = None

    def begin(self) -> None:
        """Start the standing actors in their order, then let clients in."""
        for address, start in self._parts.items():
            self._standing[address] = start()
        self.outbox.open_hub()

    def died(self) -> None:
        """Without a Supervisor nobody would hear of the next death."""
        self._finished(1)

    def receive(self, messages: Sequence[Any]) -> None:
        """Do what each says."""
        for message in messages:
            match message:
                case StartRender():
                    self._render(message)
                case RenderClosed():
                    self._closed(message)
                case ActorDied():
                    self._died(message)
                case BeginStop():
                    self._begin_stop(message)
                case StopBegun():
                    self._stopping = message
                case StoreDamaged():
                    self.log.error("store_damaged", error=message.why)
                    self._finished(1)
                case QueueDone():
                    self._finished(0)
                case Tick():
                    self._tick(message.what)

    def _tick(self, what: str) -> None:
        if what in self._dead:
            self._restart(what)
        elif what == OVERDUE:
            self.log.warning("stop_overdue", jobs=sorted(job_id for job_id, _ in self._renders))
            self._finished(0)  # what runs is left for the next daemon to adopt

    # ------------------------------------------------------------ Renders

    def _render(self, order: StartRender) -> None:
        key = (order.job_id, order.run)
        if QUEUE not in self._dead and key not in self._renders:  # else a new Queue will order it anew
            self._renders[key] = self._start_render(order)

    def _closed(self, news: RenderClosed) -> None:
        self._renders.pop((news.job_id, news.run), None)
        address = render_address(news.job_id)
        if news.error is not None and self._within_budget(address, news.error) and QUEUE not in self._dead:
            self._tell_restarted(address, news.error, news.run)  # the Queue orders it anew, if it is still wanted
        self._restart_queue_if_alone()

    # ------------------------------------------------------------ the standing actors

    def _died(self, news: ActorDied) -> None:
        if not self._within_budget(news.address, news.error):
            return
        self._dead[news.address] = news
        if news.address == QUEUE:
            for ref in self._renders.values():
                ref.stop(block=False)
            self._restart_queue_if_alone()
        else:
            self._restart_soon(news.address)

    def _restart_queue_if_alone(self) -> None:
        if QUEUE in self._dead and not self._renders:
            self._restart_soon(QUEUE)

    def _restart_soon(self, address: str) -> None:
        """At once after a first death, later after each that follows soon."""
        earlier = len(self._restarts) - 1
        if earlier <= 0:
            self._restart(address)
        else:
            self._watcher.after(FIRST_DELAY_SECONDS * 2 ** (earlier - 1), SUPERVISOR, address)

    def _restart(self, address: str) -> None:
        died = self._dead.pop(address)
        self._standing[address] = self._parts[address]()
        self._tell_restarted(address, died.error)
        if address == QUEUE and (wish := self._stopping or self._asked_to_stop) is not None:
            self.outbox.mail(QUEUE, wish)

    def _tell_restarted(self, address: str, error: str, run: int | None = None) -> None:
        self.log.warning("actor_restarted", address=address, restarts=len(self._restarts))
        self.outbox.mail(QUEUE, ActorRestarted(address=address, error=error, run=run))

    def _within_budget(self, address: str, error: str) -> bool:
        """Count a death; True while there are not too many. Else the daemon ends."""
        now = time.monotonic()
        self._restarts.append(now)
        while self._restarts[0] < now - WINDOW_SECONDS:
            self._restarts.popleft()
        if len(self._restarts) <= RESTARTS:
            return True
        self.log.error("restart_budget_spent", address=address, error=error)
        self._finished(1)
        return False

    # ------------------------------------------------------------ the end

    def _begin_stop(self, wish: BeginStop) -> None:
        """Hand a signal on to the Queue; where nothing comes of it in time, end all the same."""
        if self._asked_to_stop is None:
            self._watcher.after(self._stop_seconds + STOP_MARGIN_SECONDS, SUPERVISOR, OVERDUE)
        self._asked_to_stop = wish
        self.outbox.mail(QUEUE, wish)

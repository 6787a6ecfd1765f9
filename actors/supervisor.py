"""The Supervisor actor: starts the others, hears of their deaths, starts them again, within a budget.

It keeps no truth. A Render that failed is started anew and takes over its child from the work folder. When the Queue
has failed, every Render is ended first (their children run on) and the new Queue orders them anew from the store: so
nothing that a dying Queue had not yet committed is lost.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pykka

from actors.base import QUEUE, SUPERVISOR, BusActor
from actors.mail import ActorDied, ActorRestarted, QueueDone, RenderClosed, StartRender
from bus.hub import Hub

RESTARTS = 5
WINDOW_SECONDS = 60.0
"""More restarts within the window are no accident: the daemon ends, and its children are left to be adopted."""

Ref = pykka.ActorRef[Any]


class Supervisor(BusActor):
    """See the module. Runs in a thread of its own.

    Args:
        hub: the bus.
        parts: how each standing actor is started, in order, by address.
        render: how a Render is started.
        finished: called once with the exit status when the daemon is to end.

    """

    reads = StartRender | QueueDone | ActorDied | RenderClosed

    def __init__(
        self,
        hub: Hub,
        parts: dict[str, Callable[[], Ref]],
        render: Callable[[StartRender], Ref],
        finished: Callable[[int], None],
    ) -> None:
        super().__init__(hub, SUPERVISOR)
        self._parts = parts
        self._start_render = render
        self._finished = finished
        self._standing: dict[str, Ref] = {}
        self._renders: dict[tuple[str, int], tuple[StartRender, Ref]] = {}
        self._restarts: deque[float] = deque()
        self._queue_died: ActorDied | None = None

    def begin(self) -> None:
        """Start the standing actors in their order, then let clients in."""
        for address, start in self._parts.items():
            self._standing[address] = start()
        self.outbox.open_hub()

    def died(self) -> None:
        """Without a Supervisor nobody would hear of the next death."""
        self._finished(1)

    def receive(self, messages: Sequence[StartRender | QueueDone | ActorDied | RenderClosed]) -> None:
        """Do what each says."""
        for message in messages:
            if isinstance(message, StartRender):
                self._render(message)
            elif isinstance(message, RenderClosed):
                self._closed(message)
            elif isinstance(message, ActorDied):
                self._died(message)
            else:
                self._finished(0)

    def _render(self, order: StartRender) -> None:
        if self._queue_died is None:  # else a new Queue will order it anew
            self._renders[order.job_id, order.run] = (order, self._start_render(order))

    def _closed(self, news: RenderClosed) -> None:
        self._renders.pop((news.job_id, news.run), None)
        self._restart_queue_if_alone()

    def _died(self, news: ActorDied) -> None:
        if not self._within_budget():
            self.log.critical("restart_budget_spent", address=news.address, error=news.error)
            self._finished(1)
            return
        if news.address == QUEUE:
            self._queue_died = news
            for _, ref in self._renders.values():
                ref.stop(block=False)
            self._restart_queue_if_alone()
        elif news.address in self._parts:
            self._restart(news)
        else:
            self._tell_restarted(news)  # a Render: the Queue orders it anew, and knows what was wished meanwhile

    def _restart_queue_if_alone(self) -> None:
        if self._queue_died is not None and not self._renders:
            died, self._queue_died = self._queue_died, None
            self._restart(died)

    def _restart(self, died: ActorDied) -> None:
        self._standing[died.address] = self._parts[died.address]()
        self._tell_restarted(died)

    def _tell_restarted(self, died: ActorDied) -> None:
        self.log.warning("actor_restarted", address=died.address, restarts=len(self._restarts))
        self.outbox.mail(QUEUE, ActorRestarted(address=died.address, error=died.error))

    def _within_budget(self) -> bool:
        now = time.monotonic()
        self._restarts.append(now)
        while self._restarts[0] < now - WINDOW_SECONDS:
            self._restarts.popleft()
        return len(self._restarts) <= RESTARTS

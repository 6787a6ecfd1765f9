"""The Discard actor, in the place of a Render: it ends what two Renders of one run have died of, and does not judge it.

A third would die of it, too. So nothing is adopted: whoever is left of the run is killed, its partial file is removed,
and the job fails of what the Queue says.
"""

import signal
from collections.abc import Sequence
from typing import Any

from actors.base import BusActor, render_address
from actors.ffmpeg.stopper import SETTLE_SECONDS, SETTLE_SECONDS_MAX
from actors.mail import ChildExited, PauseRender, RenderClosed, StartRender, StopRender, Tick
from actors.render import RenderSettings, clean_up
from actors.reports import Reports
from actors.watcher import Watcher
from bus.hub import Hub


class Discard(BusActor):
    """See the module. Runs in a thread of its own; ends itself when it has reported."""

    reads = StopRender | PauseRender | ChildExited | Tick

    def __init__(self, hub: Hub, watcher: Watcher, settings: RenderSettings, order: StartRender) -> None:
        super().__init__(hub, render_address(order.job_id))
        self.log = self.log.bind(job_id=order.job_id, run=order.run)
        self._watcher = watcher
        self._order = order
        self._run = settings.run(order, order.pending[0])
        self._timer = f"discard:{self._run.number}"
        self._again_after = SETTLE_SECONDS

    def begin(self) -> None:
        """Kill what there is."""
        self._run.adopt()
        self._look()

    def receive(self, messages: Sequence[Any]) -> None:
        """Look again when it is time. What else comes asks for no more than is done already."""
        for message in messages:
            if isinstance(message, Tick) and message.what == self._timer:
                self._look()

    def _look(self) -> None:
        """SIGKILL whoever is left; where nobody is, report."""
        run, child = self._run, self._run.child
        if child is not None and not child.has_ended():
            child.signal(signal.SIGKILL)
        elif not run.kill_strays():
            if child is not None:
                child.reap()
            removed = clean_up(run, self.log)
            Reports(self._order, self.outbox).ended(run.index, "failed", self._order.discard, removed=removed)
            self.stop()
            return
        self._watcher.after(self._again_after, self.address, self._timer)
        self._again_after = min(2 * self._again_after, SETTLE_SECONDS_MAX)

    def end(self) -> None:
        """Let go of the child."""
        self._run.let_go()

    def closing(self, error: str | None) -> RenderClosed:
        """The Supervisor is to hear of every end, as of a Render's."""
        return RenderClosed(job_id=self._order.job_id, run=self._order.run, error=error)

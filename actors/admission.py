"""The Admission actor: what the file system has to say of a job that was submitted, found out beside the Queue.

A disk that does not answer (a dead network mount) holds up the submits behind it, and nothing else: the Queue never
touches a path of a job. What was found goes on with the command, and the Queue decides.
"""

import threading
from collections.abc import Sequence

from actors.base import ADMISSION, QUEUE, BusActor
from actors.ffmpeg.formats import Formats
from actors.jobs import admit
from actors.jobs.admit import Admitted
from bus import messages as m
from bus.errors import CommandRefused, Internal
from bus.hub import Hub
from bus.inbox import Request
from bus.replies import refusal_body, result_body

GIVE_UP_SECONDS = 1.0
"""For a trial of a format to end once its FFmpeg was killed."""


class Admission(BusActor):
    """See the module. Runs in a thread of its own, which may block on a slow disk without harm to others."""

    def __init__(self, hub: Hub, formats: Formats) -> None:
        super().__init__(hub, ADMISSION)
        self._formats = formats
        self._ending = threading.Event()
        self._trial = threading.Thread(target=self._try_formats, name="formats", daemon=True)

    def begin(self) -> None:
        """Have the formats tried beside: what names none does not wait for an FFmpeg that is slow, or hangs."""
        self._trial.start()

    def end(self) -> None:
        """Give the trial up."""
        self._ending.set()
        self._formats.give_up()
        if self._trial.is_alive():
            self._trial.join(GIVE_UP_SECONDS)

    def _try_formats(self) -> None:
        """Those that Rushes brings; what is wrong with the configuration's own was told before. A thread of its own."""
        for name, error in self._formats.unusable():
            if self._ending.is_set():
                return
            self.log.warning("format_unusable", format=name, error=error)

    def receive(self, messages: Sequence[Request]) -> None:
        """Look, and hand on, in the order in which they came."""
        for request in messages:
            if isinstance(request.command, m.Formats):
                result = m.FormatsResult(self._formats.views())
                self.outbox.reply(request.envelope, result_body(request.command.id, result))
                continue
            looked = request._replace(prepared=self._look(request))
            for refused, why in self.hub.hand_over(QUEUE, looked):
                self.outbox.reply(refused.envelope, refusal_body(refused.command.id, why))

    def _look(self, request: Request) -> Admitted | CommandRefused:
        """A job that may be taken, or why it may not."""
        assert isinstance(request.command, m.Submit), "no other command comes so far"
        try:
            expanded = self._formats.expand(request.command.job)
            try:
                outputs = admit.admit(expanded.spec)
                return Admitted(expanded.spec, outputs, [origin.output for origin in expanded.origins])
            except CommandRefused as refusal:
                return expanded.refusal(refusal)
        except CommandRefused as refusal:
            return refusal
        except Exception as error:  # one job's defect is no other job's trouble
            self.log.error("command_failed", command_id=request.command.id, by=request.by, exc_info=error)
            return Internal("a defect of the daemon; nothing was changed, and its log has the details")

"""The Admission actor: what the file system has to say of a job that was submitted, found out beside the Queue.

A disk that does not answer (a dead network mount) holds up the submits behind it, and nothing else: the Queue never
touches a path of a job. What was found goes on with the command, and the Queue decides.
"""

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


class Admission(BusActor):
    """See the module. Runs in a thread of its own, which may block on a slow disk without harm to others."""

    def __init__(self, hub: Hub, formats: Formats) -> None:
        super().__init__(hub, ADMISSION)
        self._formats = formats

    def receive(self, messages: Sequence[Request]) -> None:
        """Look, and hand on, in the order in which they came."""
        for request in messages:
            if isinstance(request.command, m.Formats):
                self.outbox.reply(request.envelope, self._list(request.command))
                continue
            looked = request._replace(prepared=self._look(request))
            for refused, why in self.hub.hand_over(QUEUE, looked):
                self.outbox.reply(refused.envelope, refusal_body(refused.command.id, why))

    def _list(self, command: m.Formats) -> bytes:
        """The reply to who asks which formats there are."""
        try:
            return result_body(command.id, m.FormatsResult(self._formats.views()))
        except CommandRefused as refusal:
            return refusal_body(command.id, refusal)

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

"""What was reported while the store could not be written: it has happened, so it waits, and is tried again in order.

A command is not kept: whoever sent it is told, and sends it again.
"""

from typing import Any

from actors.mail import Progressed, SweepDue
from bus.inbox import Request

PASSING = (SweepDue, Progressed)
"""Mail that need not be kept: another of it comes soon."""


class Backlog:
    """The Queue's; used by its thread."""

    def __init__(self) -> None:
        self._kept: list[Any] = []

    def keep(self, messages: list[Any]) -> None:
        """Keep what is to be tried again of a turn that was not to be."""
        self._kept += [message for message in messages if not isinstance(message, (Request, *PASSING))]

    def let_by(self, messages: list[Any]) -> list[Any]:
        """What may be done before the next try: while anything is kept, what is reported has to come after it."""
        if not self._kept:
            return messages
        self.keep(messages)
        return [message for message in messages if isinstance(message, Request)]

    def take(self) -> list[Any]:
        """All that was kept, for another try."""
        kept, self._kept = self._kept, []
        return kept

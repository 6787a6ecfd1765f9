"""Where commands wait until an actor has room for them, in a line for each client. Any thread."""

import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bus.errors import Busy
from bus.inbox import Inbox, Request
from bus.lines import Bounds, Lines

WINDOW = 256
"""Commands that stand in an actor's own inbox, in their order; the rest waits here, and each client has his turn. So
this many, and as many at work, are what one who sends the first has before him: of the Queue's, some 50 ms each. An
actor that works at them one by one, and long, needs fewer."""

WINDOW_BYTES = 4 * 1024 * 1024
"""The same in bytes: four of the largest commands."""

STARTING = "the daemon is starting or repairing this part; try again"


class Refused(NamedTuple):
    """A command that cannot wait any longer, and why."""

    request: Request
    why: Busy


class Anteroom:
    """Of all actors. An actor that has taken what its inbox held asks for more with `feed`.

    `lock`: is to be held by whoever takes an inbox away, so that nothing is put into it afterwards.

    Args:
        inboxes: where each actor is reached, by address; others may change it meanwhile.
        windows: where an actor has another one than WINDOW.

    """

    def __init__(self, inboxes: Mapping[str, Inbox], windows: Mapping[str, int]) -> None:
        self.lock = threading.Lock()
        self._inboxes = inboxes
        self._windows = windows
        self._lines: dict[str, Lines[Request]] = {}

    def take(self, address: str, requests: Sequence[Request], most: Bounds) -> list[Refused]:
        """Have commands wait for their actor. Where too many do, some of whoever sent most have to go."""
        with self.lock:
            inbox = self._inboxes.get(address)
            if inbox is None:
                return [Refused(request, Busy(STARTING)) for request in requests]
            lines = self._lines.setdefault(address, Lines())
            pending = inbox.pending()
            left = Bounds(most.messages - pending.commands, most.size - pending.size)
            gone = []
            for request in requests:
                gone += lines.put(request.envelope[0], request, left)
            waiting = lines.messages + pending.commands
            self._hand_over(address, lines, inbox)
        why = f"{waiting} commands are waiting; try again"
        return [Refused(one, Busy(why, {"limit": most.messages})) for one in gone]

    def feed(self, address: str) -> None:
        """The actor has room."""
        with self.lock:
            inbox, lines = self._inboxes.get(address), self._lines.get(address)
            if lines and inbox is not None:
                self._hand_over(address, lines, inbox)

    def sweep(self) -> list[Refused]:
        """What waits for an actor that is gone."""
        gone = []
        with self.lock:
            for address, lines in self._lines.items():
                while lines and address not in self._inboxes:
                    gone.append(Refused(lines.next(), Busy(STARTING)))
        return gone

    def _hand_over(self, address: str, lines: Lines[Request], inbox: Inbox) -> None:
        """Hand over what the actor will soon have taken; together, for each time wakes a thread."""
        pending = inbox.pending()
        commands, size = self._windows.get(address, WINDOW) - pending.commands, WINDOW_BYTES - pending.size
        some: list[Request] = []
        while lines and len(some) < commands and size > 0:
            some.append(lines.next())
            size -= some[-1].size
        if some:
            inbox.put(*some)

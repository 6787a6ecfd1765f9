"""Where commands wait until an actor takes its next turn's, in a line for each client. Any thread."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bus.errors import Busy
from bus.inbox import Inbox, Request
from bus.lines import Bounds, Lines

TURN = 256
"""Commands that an actor takes at once, each client's in turn: so long may the turn be that one who sends the next has
to wait for, and then his own. Of the Queue's that is some 40 ms, in return for a fifth more of them a second. An actor
that works at them one by one, and long, takes fewer."""

SHARED_TURN = 32
"""The same while more than one client sends: some 8 ms."""

SHARED_SECONDS = 0.25
"""How long that is thought to last. One who sends the next when he has his answer sends it within a tenth of it."""

TURN_BYTES = 4 * 1024 * 1024
"""The same in bytes: four of the largest commands."""

STARTING = "the daemon is starting or repairing this part; try again"


class Refused(NamedTuple):
    """A command that cannot wait any longer, and why."""

    request: Request
    why: Busy


class Anteroom:
    """Of all actors. An actor's own inbox holds one command, which wakes it; when its turn begins it asks for the
    turn's others with `feed`, and when it has taken them, with `wake`, for the one that begins its next turn.

    `lock`: is to be held by whoever takes an inbox away, so that nothing is put into it afterwards.

    Args:
        inboxes: where each actor is reached, by address; others may change it meanwhile.
        turns: where an actor takes another number of commands than TURN.

    """

    def __init__(self, inboxes: Mapping[str, Inbox], turns: Mapping[str, int]) -> None:
        self.lock = threading.Lock()
        self._inboxes = inboxes
        self._turns = turns
        self._lines: dict[str, Lines[Request]] = {}
        self._last_client: dict[str, bytes] = {}
        self._shared_until: dict[str, float] = {}

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
                client = request.envelope[0]
                gone += lines.put(client, request, left)
                last, self._last_client[address] = self._last_client.get(address, client), client
                if client != last or lines.clients > 1:
                    self._shared_until[address] = time.monotonic() + SHARED_SECONDS
            waiting, size = lines.messages + pending.commands, lines.size + pending.size
            self._hand_over(lines, inbox, 1)
        is_many = waiting >= most.messages
        why = f"{waiting} commands {'' if is_many else f'of {size} bytes '}are waiting; try again"
        limit = most.messages if is_many else most.size
        return [Refused(one, Busy(why, {"limit": limit})) for one in gone]

    def feed(self, address: str) -> None:
        """The actor's turn begins: hand over what is to be part of it."""
        self._feed(address, self._turn(address))

    def wake(self, address: str) -> None:
        """The actor has taken what its inbox held: where there is more, it is to have another turn."""
        self._feed(address, 1)

    def _feed(self, address: str, commands: int) -> None:
        with self.lock:
            inbox, lines = self._inboxes.get(address), self._lines.get(address)
            if lines and inbox is not None:
                self._hand_over(lines, inbox, commands)

    def waiting(self) -> dict[str, int]:
        """How many commands wait here, by actor."""
        with self.lock:
            return {address: lines.messages for address, lines in self._lines.items()}

    def sweep(self) -> list[Refused]:
        """What waits for an actor that is gone."""
        gone = []
        with self.lock:
            for address, lines in self._lines.items():
                while lines and address not in self._inboxes:
                    gone.append(Refused(lines.next(), Busy(STARTING)))
        return gone

    @staticmethod
    def _hand_over(lines: Lines[Request], inbox: Inbox, commands: int) -> None:
        """Fill an inbox up to so many commands; together, for each time wakes a thread."""
        pending = inbox.pending()
        commands, size = commands - pending.commands, TURN_BYTES - pending.size
        some: list[Request] = []
        while lines and len(some) < commands and size > 0:
            some.append(lines.next())
            size -= some[-1].size
        if some:
            inbox.put(*some)

    def _turn(self, address: str) -> int:
        turn = self._turns.get(address, TURN)
        is_shared = self._shared_until.get(address, 0.0) > time.monotonic()
        return min(turn, SHARED_TURN) if is_shared else turn

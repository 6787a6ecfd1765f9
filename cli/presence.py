"""Is the daemon still there? What waits for events looks, without a word, like a night without work."""

from bus.client import Client
from bus.stream import EventStream
from cli.output import complain, note

LOOK_SECONDS = 1.0
"""How long to wait for an event before having a look: heartbeats come each second."""

SILENT_SECONDS = 3.0
"""Without even a heartbeat for so long, the daemon is gone."""


class Presence:
    """Says once that the daemon is gone, once that it is back, and when another database answers in its place.

    Args:
        client: for the address.
        stream: whose events are waited for.
        epoch: the database of which what was printed so far tells.
        by_seq: say which event was the last: whoever does not wait as long may begin after it another time.

    """

    def __init__(self, client: Client, stream: EventStream, epoch: str, *, by_seq: bool = False) -> None:
        self._address = client.address
        self._stream = stream
        self._epoch = epoch
        self._by_seq = by_seq
        self._heard_at = stream.heard_at
        self._silence = 0.0

    @property
    def gone(self) -> bool:
        """True where it has been said that the daemon is gone, and not yet that it is back."""
        return self._silence >= SILENT_SECONDS

    def look(self, waited: float) -> bool:
        """To be called after each `next`, with the seconds that it waited in vain. True where the database is another.

        Waits count, not the time: whoever stopped us with Ctrl-Z stopped no daemon.
        """
        if self._stream.heard_at != self._heard_at:
            if self.gone:
                note(f"The daemon at {self._address} is back.")
            self._heard_at, self._silence = self._stream.heard_at, 0.0
        elif waited and self._silence < SILENT_SECONDS:
            self._silence += waited
            if self.gone:
                self._complain()
        if self._stream.epoch in (None, self._epoch):
            return False
        self._epoch = self._stream.epoch or self._epoch
        note(f"Another database answers at {self._address}; its events begin with the first.")
        return True

    def missed(self) -> None:
        """A question was not answered, which takes longer than the silence that means the same."""
        if not self.gone:
            self._silence = SILENT_SECONDS
            self._complain()

    def _complain(self) -> None:
        on = f", to go on after event {self._stream.seen}" if self._by_seq else ""
        complain(f"no daemon answers at {self._address}; waiting for it{on}")

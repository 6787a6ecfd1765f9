"""However long one client's commands take, the hub turns to its other sockets in between."""

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from bus import codec
from bus import hub as hub_module
from bus.inbox import Pending, Request
from tests.integration.parts import Letterbox, Switchboard
from tests.support.load import packed
from tests.support.zmtp import Peer

COMMANDS = 100


class Noting(Letterbox):
    """Notes how many commands the hub had looked at when something came."""

    def __init__(self, looked_at: list[int], feed: Callable[[], None]) -> None:
        super().__init__(feed)
        self._looked_at = looked_at
        self.after: int | None = None

    def put(self, *messages: Request | bytes) -> None:
        self.after = len(self._looked_at)
        super().put(*messages)

    def pending(self) -> Pending:
        return Pending(0, 0)


def test_a_burst_of_commands_that_take_long_to_refuse_ends_in_time(
    switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at a command takes half of a burst's time; mail that comes meanwhile is delivered after the second."""
    looked_at: list[int] = []
    box = Noting(looked_at, lambda: switchboard.hub.feed("marked"))
    switchboard.hub.register("marked", box)
    look = codec.decode_command
    ticks = itertools.count()

    def slow(body: bytes) -> Any:
        looked_at.append(len(body))
        if len(looked_at) == 1:
            outbox = switchboard.hub.outbox()  # of the hub's own thread, which this is
            outbox.mail("marked", {"type": "Mark"})
            outbox.close()
        return look(body)

    monkeypatch.setattr(codec, "decode_command", slow)
    clock = SimpleNamespace(monotonic=lambda: next(ticks) * hub_module.BURST_SECONDS / 2)
    monkeypatch.setattr(hub_module, "time", clock)
    with Peer(switchboard.address) as client:
        client.send(*packed("no such command", map(str, range(COMMANDS))))
        assert len(list(client.replies(COMMANDS))) == COMMANDS
    assert box.next()
    assert box.after is not None
    assert box.after <= 5

"""All webhooks of a daemon, from its start to its end."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from actors.webhooks.cursor import Place
from actors.webhooks.settings import Notify

if TYPE_CHECKING:
    from actors.webhooks.courier import Courier

STOP_SECONDS = 2.0
"""How long the daemon's end waits for all couriers together. Only one who looks up a host's name can take longer, and
is left behind: what it had not delivered stands in the history."""


def couriers(hooks: Sequence[Notify], bus: str, data: Path, now: Place) -> "list[Courier]":
    """One for each hook."""
    if not hooks:
        return []
    from actors.webhooks.courier import Courier  # noqa: PLC0415 # HTTP and TLS, which most daemons do without

    return [Courier(hook, bus, data, now) for hook in hooks]


class Webhooks:
    """All couriers of a daemon. Made, started and stopped by its main thread."""

    def __init__(self, hooks: Sequence[Notify], bus: str, data: Path, now: Place) -> None:
        self.couriers = couriers(hooks, bus, data, now)

    def start(self) -> None:
        """Begin to deliver; they wait until the bus is served."""
        for courier in self.couriers:
            courier.start()

    def stop(self) -> None:
        """End all, within `STOP_SECONDS`; what they hold is on disk."""
        for courier in self.couriers:
            courier.stop()
        end = time.monotonic() + STOP_SECONDS
        for courier in self.couriers:
            courier.join(max(0.0, end - time.monotonic()))

"""What a receiver's answer to a delivery means: taken, to be tried again, or refused. Pure.

The specification takes every status but 2xx for a failure and lets the sender decide how long to go on. What is lost
with GitHub after one try, and with Stripe after three days, is here kept as long as there is hope.
"""

import math
from typing import NamedTuple

GONE = 410
"""The receiver wants nothing more, says the specification."""

OF_THE_EVENT = frozenset({400, 409, 413, 415, 422})
"""Answers that are about what was sent and not about who sent it where: another event may well be taken."""

EVENT_SECONDS = 60.0
"""How long such an event is tried: a receiver that is being replaced may refuse what it takes a minute later."""

REFUSAL_SECONDS = 86_400.0
"""How long one is tried over any other 4xx. Mostly the URL or the secret is wrong, and a person has to see to it; but
it may be meant for this event, and then those behind it have waited for a day."""

LONGEST_PAUSE = 300.0
"""What is taken of a `Retry-After`: as long as between two tries at the most."""


class Problem(NamedTuple):
    """Why a delivery was not taken. `status` is None where there was no answer; `pause`: seconds asked for."""

    why: str
    status: int | None = None
    pause: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds for which an event is tried, before those behind it have their turn."""
        if self.status is None or not 400 <= self.status <= 499 or self.status in (408, 425, 429):
            return math.inf  # the receiver is away, moved or busy: it will not be lost over that
        return EVENT_SECONDS if self.status in OF_THE_EVENT else REFUSAL_SECONDS


def judge(status: int, retry_after: str | None) -> Problem | None:
    """None where it was taken."""
    if 200 <= status <= 299:
        return None
    seconds = int(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0
    return Problem(f"HTTP status {status}", status, min(float(seconds), LONGEST_PAUSE))

"""A clock that only counts time that passed: what decides when a job's time is over, whatever the wall clock does.

Within one boot it is CLOCK_BOOTTIME, which no change of the wall clock moves and which counts while the machine
sleeps. From one boot to the next it goes by the wall clock, and never back.
"""

import time
from pathlib import Path
from typing import NamedTuple

import msgspec

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

SAVE_SECONDS = 60.0
"""Between two notes in the store. A wall clock that is set and a machine that is restarted within it cost so much."""


class Mark(msgspec.Struct, frozen=True):
    """Where the clock stood at one moment. Seconds; `lived` is since the store was made."""

    boot_id: str
    booted: float
    wall: float
    lived: float


class Moment(NamedTuple):
    """What the machine's clocks say."""

    boot_id: str
    booted: float
    wall: float

    @classmethod
    def now(cls) -> "Moment":
        """This moment."""
        return cls(BOOT_ID.read_text().strip(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


class SteadyClock:
    """Goes on from the mark that an earlier daemon left. Used by one thread, the Queue's."""

    def __init__(self, noted: bytes | None, moment: Moment) -> None:
        mark = msgspec.json.decode(noted, type=Mark) if noted else None
        if mark is None:
            self._lived = 0.0
        elif mark.boot_id == moment.boot_id:
            self._lived = mark.lived + moment.booted - mark.booted
        else:
            self._lived = mark.lived + max(0.0, moment.wall - mark.wall)
        self._since = moment.booted
        self._save_at = moment.booted

    def now(self) -> float:
        """Seconds that the store has lived."""
        return self._lived + time.clock_gettime(time.CLOCK_BOOTTIME) - self._since

    def due(self) -> bytes | None:
        """The mark to note in the store, where it is time for one."""
        moment = Moment.now()
        if moment.booted < self._save_at:
            return None
        self._save_at = moment.booted + SAVE_SECONDS
        return msgspec.json.encode(Mark(*moment, self.now()))

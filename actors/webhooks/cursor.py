"""How far a hook has come, in a small file of its own: after a crash its deliveries go on from there."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

FOLDER = "webhooks"
"""In the data folder: a file for each hook, by its name."""

SAVE_AFTER = 1000
"""Events that nobody wants, after which the place is saved all the same: as many as one page, which is read in
milliseconds."""


class Place(Struct, frozen=True):
    """After which event of which history (its epoch). Event numbers begin at 1."""

    epoch: str
    seq: Annotated[int, Meta(ge=0)]


class Cursor:
    """One hook's place. Used by one thread at a time.

    Args:
        file: where it is kept.
        now: the history as the daemon found it, and its last event.

    A hook that has no file begins with what happens from now on. One that was at an event which the history does not
    have (it is that of a backup, or a new one) goes on after the last that it has. Where the file cannot be understood,
    everything is sent again: what is promised is at least once.

    """

    def __init__(self, file: Path, now: Place) -> None:
        self._file = file
        self.epoch = now.epoch
        self.is_new = self.is_damaged = False
        """What was found."""
        try:
            self.seq = min(msgspec.json.decode(file.read_bytes(), type=Place).seq, now.seq)
        except FileNotFoundError:
            self.seq, self.is_new = now.seq, True
        except (OSError, msgspec.DecodeError):
            self.seq, self.is_damaged = 0, True
        self._saved: Place | None = None

    def move(self, seq: int) -> None:
        """Be after that event; whether it is on disk is another matter."""
        self.seq = seq

    @property
    def is_far(self) -> bool:
        """True where it would be a pity to come back to what is on disk."""
        return self._saved is None or self.seq - self._saved.seq >= SAVE_AFTER

    def save(self) -> None:
        """Have the place on disk.

        Raises:
            OSError: the disk does not take it.

        """
        place = Place(self.epoch, self.seq)
        if place == self._saved:
            return
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = self._file.with_name(f"{self._file.name}.new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(place))
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._saved = place

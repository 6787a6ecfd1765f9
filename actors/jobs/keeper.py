"""Keeps the store usable: on a full disk it gives up its reserve, and after a failure it opens the store anew."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.disk import RESERVE_BYTES, Reserve, free_bytes
from actors.jobs.database import FILE_NAME, StoreError, StoreFailing, StoreFull, StoreUnavailable, damaged, is_empty
from actors.jobs.ledger import Ledger, Settings
from actors.jobs.slots import fits, need_of
from actors.jobs.store import Store
from bus import messages as m

RESERVE_FILE = "reserve"

DISK_FULL = "the daemon's disk is full, and nothing was changed; it takes only what ends jobs or makes room"
"""What is said of a command that the reserve is not for."""

SMALL = (m.Cancel, m.Delete, m.Drain, m.Resume, m.Shutdown)
"""The changes that a full disk's reserve is for: they end things, or make room."""

SHORT_BYTES = RESERVE_BYTES // 2
"""A disk with less is full: SQLite needs 32 KiB to open a store, a transaction some more, a child its work folder."""


PLENTY_BYTES = 256 * 1024 * 1024
PLENTY_SECONDS = 0.05
"""A disk that has so much is not full so soon: it would have to take 5 GB a second."""


def open_store(data: Path, check_seconds: float | None = None) -> Store:
    """Open the store; where the disk is too full even for that, with the room that the reserve holds.

    Args:
        data: the folder of the store.
        check_seconds: see `Store`.

    Raises:
        StoreError: it cannot be opened.

    """
    if (data / RESERVE_FILE).exists() and is_empty(data / FILE_NAME):
        raise damaged(data / FILE_NAME, "it is empty, and a daemon has served from here before")
    try:
        return Store(data, check_seconds=check_seconds)
    except StoreUnavailable as error:
        if free_bytes(data) >= SHORT_BYTES:
            raise
        Reserve(data / RESERVE_FILE).release()
        if free_bytes(data) < SHORT_BYTES:
            raise StoreFull(f"{error}: the disk of {data} is full; make room, and start again") from error
    return Store(data, check_seconds=check_seconds)


class Keeper:
    """Of the Queue's store and what the Queue remembers of it. Used by one thread.

    Args:
        data: the folder of the store.
        log: where it tells of what it does.
        settings: the ledger's.

    Raises:
        StoreError: the store cannot be opened.

    """

    def __init__(self, data: Path, log: Any, settings: Settings) -> None:
        self._tally = settings.tally
        self._data = data
        self._log = log
        self._reserve = Reserve(data / RESERVE_FILE)
        self._must_reopen = False
        self.is_full = False
        self._look_again_at = 0.0
        self.store = self._timed(open_store(data))
        if not self._reserve.take():
            self.begin_full()
        self.ledger = Ledger(self.store, settings)

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    def ready(self) -> None:
        """Before each transaction: a disk that failed may have lost what it said it had, so see that it has not.

        Raises:
            StoreUnavailable: it cannot be opened yet.
            StoreUnusable: something that was acknowledged is gone.

        """
        if not self._must_reopen:
            return
        fresh = Store(self._data)
        self.store.close()
        self.store = self._timed(fresh)
        with self.store.reading():
            if self.store.records.last_seq() < self.ledger.committed_seq:
                raise damaged(self.store.path, f"event {self.ledger.committed_seq} was acknowledged and is gone")
            self.ledger.reload(self.store)
        self._must_reopen = False
        self._log.warning("store_reopened", last_seq=self.ledger.seq)

    def turn_failed(self, stopping: m.ShutdownMode | None, error: StoreUnavailable | None = None) -> None:
        """Forget what a turn that was not to be had changed; `stopping` is what it found."""
        self.ledger.stopping = stopping
        if self._tally is not None and error is not None:
            self._tally.store_errors += 1
        self._must_reopen = self._must_reopen or isinstance(error, StoreFailing)
        if not self._must_reopen:
            try:
                with self.store.reading():
                    self.ledger.reload(self.store)
            except StoreUnavailable:
                self._must_reopen = True

    # ------------------------------------------------------------ what is counted

    def _timed(self, store: Store) -> Store:
        """Have its commits timed, where somebody asks for that."""
        if self._tally is not None:
            store.commits = self._tally.commits
        return store

    def look_around(self) -> None:
        """At each heartbeat: see what waits, for whoever asks. Few rows are read: 100 µs, 12 for each job that runs."""
        if self._tally is None:
            return
        oldest, ready, live = None, False, dict(self.ledger.live)
        with suppress(StoreError), self.store.reading():  # a turn will tell
            oldest, ready = self.store.oldest_queued(), self._is_next_ready()
            for job in self.store.processing() if live else ():
                if job.phase == "paused":  # it has its last speed, and stands still
                    live.pop(job.id, None)
        self._tally.beat(full=self.is_full, oldest=oldest, ready=ready, live=[*live.values()])

    def _is_next_ready(self) -> bool:
        """True where the job that is to start next has the slots that it needs, and waits for nothing else."""
        free = self.ledger.free()
        if not self.ledger.statuses["queued"] or not any(count > 0 for count in free.values()):
            return False
        shapes = [shape for shape in self.store.ready_shapes() if fits(need_of(shape), self.ledger.slots)]
        *_, first = min(self.store.heads(shapes), default=("",))
        return first != "" and fits(need_of(first), free)

    # ------------------------------------------------------------ a full disk

    def begin_full(self) -> None:
        """Give up the reserve; from now on only what ends things or makes room is taken."""
        if not self.is_full:
            self._log.error("store_full", path=str(self._data))
        self.is_full = True
        self._reserve.release()

    def look_for_room(self) -> None:
        """See whether the disk has filled up, or has room again.

        The store alone would notice late: its log is written over and over, and needs no room while what runs, and
        the work folder of what is to be started next, do. So the disk is asked before each turn, unless it has just had
        plenty: that takes 5 to 20 µs.
        """
        if self.is_full:
            if self._reserve.take():
                self.is_full = False
                self._log.info("store_has_room", path=str(self._data))
        elif self._is_short():
            self.begin_full()

    def _is_short(self) -> bool:
        now = time.monotonic()
        if now < self._look_again_at:
            return False
        try:
            free = free_bytes(self._data)
        except OSError:
            return False  # the next transaction tells what is wrong
        if free > PLENTY_BYTES:
            self._look_again_at = now + PLENTY_SECONDS
        return free < SHORT_BYTES

    def can_afford(self, command: m.AnyCommand) -> bool:
        """True where there is room for a command."""
        return not self.is_full or isinstance(command, SMALL)

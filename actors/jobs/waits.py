"""What a queued job may have to wait for before it gets a slot: a moment after a failure, or room on a disk.

All run in the Queue's thread.
"""

import random
from pathlib import Path

from actors.base import JANITOR
from actors.jobs.model import Job, moment_of, timestamp
from actors.jobs.turn import Turn
from actors.mail import Room, RoomFound, WatchRoom

LONGEST_SECONDS = 300.0
"""Between two attempts at the most: what has not healed in minutes is looked at every five."""

JITTER = 0.5
"""How much of a delay is left to chance, so that jobs that failed together do not all come back together."""

DUE = "due"
"""The name of the timer that ends a job's wait."""

LOOK_AHEAD = 100
"""Jobs for a full disk that one turn puts aside; the next turn takes the next."""


def longest(failures: int, first: float) -> float:
    """The most that `backoff` may give."""
    return min(first * 2.0 ** min(failures - 1, 30), LONGEST_SECONDS)


def backoff(failures: int, first: float) -> float:
    """Seconds to wait after so many failures (from 1): doubled each time from `first`, less up to half by chance."""
    return longest(failures, first) * (1 - JITTER * random.random())  # noqa: S311 # spreads load; nobody gains by guessing it


def after_failure(turn: Turn, job: Job) -> None:
    """Put off the next attempt of a job that goes back into the queue."""
    delay = backoff(job.attempts - job.attempts_base, turn.ledger.settings.retry_delay)
    if delay > 0:
        job.not_before = timestamp(delay)
        turn.timer(delay, f"{DUE}:{job.id}:{job.runs}")


def over(turn: Turn, job_id: str, run: int) -> None:
    """The wait of a job after its `run`th start is over, unless something else became of it."""
    job = turn.store.job(job_id)
    if job is not None and job.not_before is not None and job.runs == run:
        job.not_before = None
        turn.store.save(job)


def resume(turn: Turn) -> None:
    """Go on with the waits that an earlier daemon had begun."""
    for job in turn.store.not_before():
        assert job.not_before is not None
        # The wall clock may have been set meanwhile; no wait is longer than it could have been from its begin.
        most = longest(job.attempts - job.attempts_base, turn.ledger.settings.retry_delay)
        left = min(max(0.0, moment_of(job.not_before) - moment_of(turn.now)), most)
        turn.timer(left, f"{DUE}:{job.id}:{job.runs}")


# ---------------------------------------------------------------- room on a disk


def folder_of(job: Job) -> str:
    """Where the job's next output is to be made."""
    return str(Path(job.outputs[job.pending[0]].path).parent)


def watch_rooms(turn: Turn) -> None:
    """Have the Janitor look again and again at the folders that are known to be full."""
    for folder in sorted(turn.ledger.low_folders):
        turn.mail(JANITOR, WatchRoom(folder=folder))


def no_room(turn: Turn, job: Job, room: Room) -> None:
    """A Render found too little room for the next output of a job that goes back into the queue."""
    folder = job.low_folder = room.folder
    if folder not in turn.ledger.low_folders:
        turn.ledger.low_folders.add(folder)
        turn.event("daemon.disk_low", {"folder": folder, "free": room.free, "floor": room.floor})
        turn.log("disk_low", path=folder, free=room.free, floor=room.floor)
        turn.mail(JANITOR, WatchRoom(folder=folder))


def room_found(turn: Turn, news: RoomFound) -> None:
    """There is room again: what waited for it is ready."""
    if news.folder in turn.ledger.low_folders:
        turn.ledger.low_folders.discard(news.folder)
        turn.store.room_found(news.folder)
        turn.event("daemon.disk_ok", {"folder": news.folder, "free": news.free})
        turn.log("disk_ok", path=news.folder, free=news.free)


def next_ready(turn: Turn, shape: str) -> Job | None:
    """The job of that shape that is to start next; jobs before it whose disk is known to be full are put aside."""
    for _ in range(LOOK_AHEAD):
        job = turn.store.next_ready(shape)
        if job is None or not turn.ledger.low_folders or folder_of(job) not in turn.ledger.low_folders:
            return job
        job.low_folder = folder_of(job)
        turn.store.save(job)
    turn.timer(0.0, DUE)
    return None

"""What actors say to each other, over the bus. Each struct is one sentence; its docstring says who says it to whom.

`run` counts a job's starts: mail about an earlier run is stale and is left unread.
"""

from typing import Literal

from msgspec import Struct

from actors.jobs.model import FileIdentity, Live
from bus import messages as m

StopWhy = Literal["cancel", "stop"]
EndHow = Literal["failed", "stopped", "lost", "no_room"]
Stage = Literal["q", "SIGTERM", "SIGKILL"]


class Mail(Struct, frozen=True, kw_only=True, tag=True):
    """Anything one actor sends to another."""


class Alive(Mail, frozen=True, kw_only=True):
    """Queue to whoever watches over the daemon, with each heartbeat: what it has to do."""

    running: int
    queued: int
    draining: bool
    stopping: m.ShutdownMode | None


# ---------------------------------------------------------------- Queue and Render


class StartRender(Mail, frozen=True, kw_only=True):
    """Queue to Supervisor: render these outputs, or take over what an earlier Render of this run began.

    `discard`: do neither, but end whatever there is, and report this error.
    """

    job_id: str
    run: int
    spec: m.JobSpec
    pending: list[int]
    stop: StopWhy | None
    paused: str | None = None
    discard: m.ErrorView | None = None


class StopRender(Mail, frozen=True, kw_only=True):
    """Queue to Render: the wish is on disk; stop the child and report. `hurry`: by SIGKILL, at once."""

    run: int
    why: StopWhy
    hurry: bool = False


class PauseRender(Mail, frozen=True, kw_only=True):
    """Queue to Render: the wish is on disk; hold the child where it is, or (None) let it go on.

    `paused` tells a pause from the one before, whose `Paused` may still be under way.
    """

    run: int
    paused: str | None


class Paused(Mail, frozen=True, kw_only=True):
    """Render to Queue: the child is held, or no further one is started, by that pause."""

    job_id: str
    run: int
    paused: str


class OutputStarted(Mail, frozen=True, kw_only=True):
    """Render to Queue: FFmpeg runs for this output. `is_adopted`: an earlier Render had started it."""

    job_id: str
    run: int
    index: int
    is_adopted: bool = False


class Progressed(Mail, frozen=True, kw_only=True):
    """Render to Queue: how far it is. `frame` and `out_time` (seconds) are FFmpeg's own count."""

    live: Live
    frame: int | None
    fps: float | None
    out_time: float | None
    size: int | None


class LiveUpdate(Mail, frozen=True, kw_only=True):
    """Queue to Archive: what to show for a running job; None once it is over."""

    job_id: str
    live: Live | None


class Signalled(Mail, frozen=True, kw_only=True):
    """Render to Queue: a rung of the ladder was taken, `after` so many seconds on it."""

    job_id: str
    run: int
    index: int
    stage: Stage
    after: float


class Facts(Struct, frozen=True, kw_only=True):
    """What a proved output is. Bytes, seconds, pixels."""

    size: int
    duration: float | None
    width: int | None
    height: int | None
    fps: float | None
    speed: float | None
    file: FileIdentity


class OutputCompleted(Mail, frozen=True, kw_only=True):
    """Render to Queue: this output is proved and stands under its real name."""

    job_id: str
    run: int
    index: int
    facts: Facts


class Room(Struct, frozen=True):
    """What the disk of a folder has, and what it must have before an output starts. Bytes."""

    folder: str
    free: int
    floor: int

    @property
    def is_enough(self) -> bool:
        """True where an output may start."""
        return self.free >= self.floor


class RenderEnded(Mail, frozen=True, kw_only=True):
    """Render to Queue: no child runs and no partial is left. `error` where it failed.

    `stopped`: because it was told to. `lost`: a crash left something that could neither be adopted nor judged.
    `no_room`: nothing was started, because the disk has too little room. `removed`: the files that were taken away.
    """

    job_id: str
    run: int
    index: int | None
    how: EndHow
    error: m.ErrorView | None = None
    exit_status: int | None = None
    removed: list[str] = []
    room: Room | None = None


# ---------------------------------------------------------------- the watcher's news


class ChildExited(Mail, frozen=True, kw_only=True):
    """Watcher to Render: the process behind `pid` has ended."""

    pid: int


class Tick(Mail, frozen=True, kw_only=True):
    """Watcher to whoever asked: the time has come. `what` is the asker's own word."""

    what: str


# ---------------------------------------------------------------- Queue, Janitor, Supervisor


class RemoveFiles(Mail, frozen=True, kw_only=True):
    """Queue to Janitor: the wish is on disk; remove these files, where they are still the same, and the work folder."""

    job_id: str
    files: list[tuple[str, FileIdentity]]


class LookAtFiles(Struct, frozen=True, kw_only=True):
    """Queue to Janitor, with a `delete` that is only tried: tell its client what would become of these files."""

    files: list[tuple[str, FileIdentity]]
    partials: list[str]


class FilesRemoved(Mail, frozen=True, kw_only=True):
    """Janitor to Queue: what became of them."""

    job_id: str
    removed: list[str]
    missing: list[str]
    failed: list[m.FailedRemoval]


class SweepDue(Mail, frozen=True, kw_only=True):
    """Janitor to Queue: look for jobs whose time is over and commands that need not be remembered."""


class WatchRoom(Mail, frozen=True, kw_only=True):
    """Queue to Janitor: tell when the disk of this folder has room again."""

    folder: str


class RoomFound(Mail, frozen=True, kw_only=True):
    """Janitor to Queue: it has, so many bytes."""

    folder: str
    free: int


class WorkFolders(Mail, frozen=True, kw_only=True):
    """Janitor to Queue: these work folders exist."""

    job_ids: list[str]


class OrphanedFolders(Mail, frozen=True, kw_only=True):
    """Queue to Janitor: these belong to no job."""

    job_ids: list[str]


class StoreDamaged(Mail, frozen=True, kw_only=True):
    """Queue or Janitor to Supervisor: the store cannot be trusted any more; the daemon is to end."""

    why: str


class BeginStop(Mail, frozen=True, kw_only=True):
    """The main thread to Supervisor, and on to Queue: a signal asked for an ordered stop.

    `by`: whose it is, where the kernel says so.
    """

    signal: str
    by: str | None


class QueueDone(Mail, frozen=True, kw_only=True):
    """Queue to Supervisor: nothing runs any more, and what was promised is on disk."""


class StopBegun(Mail, frozen=True, kw_only=True):
    """Queue to Supervisor: an ordered stop is on disk. Supervisor to a Queue that was started again: go on with it."""

    mode: m.ShutdownMode


class ActorDied(Mail, frozen=True, kw_only=True):
    """Any actor but a Render to Supervisor, as its last word."""

    address: str
    error: str


class RenderClosed(Mail, frozen=True, kw_only=True):
    """Render to Supervisor, as its last word: it touches nothing any more. `error`: what it died of, where it did."""

    job_id: str
    run: int
    error: str | None = None


class ActorRestarted(Mail, frozen=True, kw_only=True):
    """Supervisor to Queue: for the event; of a Render, the `run` that it died in."""

    address: str
    error: str
    run: int | None = None

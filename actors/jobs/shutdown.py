"""The ordered stop of the daemon: how it begins, what is still taken meanwhile, and when it is over.

All run in the Queue's thread.
"""

from actors.base import SUPERVISOR, render_address
from actors.jobs import changes
from actors.jobs.ledger import Ledger
from actors.jobs.turn import Cause, Turn
from actors.mail import BeginStop, StopBegun, StopRender
from bus import messages as m
from bus.errors import Busy

ENDING = ("stop", "leave")
"""Ways of ending in which no command is taken any more, and nothing is begun."""

BRINGS_WORK = (m.Submit, m.Retry, m.Drain, m.Resume)
"""What a daemon that drains before its end takes no more; what is left can still be cancelled, deleted and stopped."""

OVERDUE = "overdue"
"""The name of the timer that ends an ordered stop."""


def check_taken(ledger: Ledger, command: m.Command) -> None:
    """Refuse a change that is not taken (any more). Raises `Busy`."""
    if ledger.stopping in ENDING or (ledger.stopping and isinstance(command, BRINGS_WORK)):
        raise Busy("the daemon is stopping")


def shutdown(turn: Turn, command: m.Shutdown, cause: Cause) -> m.ShutdownResult:
    """Begin an ordered stop."""
    begin(turn, command.mode, cause)
    return m.ShutdownResult(mode=command.mode)


def signalled(turn: Turn, news: BeginStop) -> None:
    """A signal asks for a stop; a second one for haste."""
    if turn.ledger.stopping == "stop":
        stop_all(turn, hurry=True)
    elif turn.ledger.stopping != "leave":
        begin(turn, "stop", Cause(by=news.by), news.signal)


def begin(turn: Turn, mode: m.ShutdownMode, cause: Cause, signal: str | None = None) -> None:
    """Start nothing more; in mode `stop` also stop what runs, to be queued again. `signal`: the one that asked."""
    if turn.ledger.stopping in ENDING:
        raise Busy("the daemon is stopping")
    turn.event("daemon.stopping", {"mode": mode, "signal": signal}, cause=cause)
    turn.log("daemon_stopping", mode=mode, by=cause.by, signal=signal)
    turn.mail(SUPERVISOR, StopBegun(mode=mode))
    go_on(turn, mode)


def go_on(turn: Turn, mode: m.ShutdownMode) -> None:
    """What a stop does, now or in a Queue that was started again meanwhile."""
    turn.ledger.stopping = mode
    if mode == "stop":
        stop_all(turn)
        turn.timer(turn.ledger.settings.stop_seconds, OVERDUE)


def stop_all(turn: Turn, *, hurry: bool = False) -> None:
    """Have every running child stopped. That is on disk before it is asked: its end is nobody else's doing."""
    for job_id in sorted(turn.ledger.running):
        job = changes.find(turn, job_id)
        turn.change(job, phase="stopping")
        turn.store.save(job)
        turn.mail(render_address(job.id), StopRender(run=job.runs, why="stop", hurry=hurry))


def overdue(turn: Turn) -> None:
    """The stop has had its time: what still runs is left to the next daemon."""
    if turn.ledger.running:
        turn.log("stop_overdue", jobs=sorted(turn.ledger.running))
        turn.ledger.is_overdue = True


def is_over(ledger: Ledger) -> bool:
    """True where the daemon is to end, and nothing holds it any more."""
    return ledger.stopping is not None and (not ledger.running or ledger.stopping == "leave" or ledger.is_overdue)

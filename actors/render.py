"""The Render actor: one running job, one FFmpeg child at a time, one outcome.

It starts the pending outputs one after the other, or adopts what an earlier daemon started. It never waits: the
watcher tells it that a child has ended or that a moment has come. Told to stop, it climbs the ladder at its child
and goes on to judge what that came to: only the reaped exit decides.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, assert_never

from actors.base import BusActor, render_address
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import Child
from actors.ffmpeg.patience import Patience
from actors.ffmpeg.run import Report, Run, RunFailed, Verdict
from actors.ffmpeg.stopper import SETTLE_SECONDS, SETTLE_SECONDS_MAX, Stopper
from actors.mail import (
    ChildExited,
    EndHow,
    Facts,
    PauseRender,
    RenderClosed,
    Room,
    StartRender,
    StopRender,
    StopWhy,
    Tick,
)
from actors.reports import Reports
from actors.watcher import Watcher
from bus.hub import Hub
from bus.messages import ErrorView, Phase

PROGRESS_SECONDS = 0.5
"""Between two looks at the child: FFmpeg reports as often, and subscribers are promised no more."""

PROBE_SECONDS = 60.0
"""For reading a finished file's header: 20 ms, unless the disk is very busy."""


class RenderSettings(NamedTuple):
    """What every Render needs to know. `grace` is seconds; `min_free` the bytes a disk must have for an output."""

    ffmpeg: FFmpeg
    grace: float
    work: Path
    min_free: int

    def run(self, order: StartRender, index: int) -> Run:
        """The run that makes an output of an ordered job."""
        return Run(self.ffmpeg, self.work, order.job_id, order.run, order.spec, index)


def clean_up(run: Run, log: Any) -> list[str]:
    """Remove what a run that came to nothing has left; what cannot be removed is told of, and ends no daemon."""
    try:
        return run.clean_up()
    except OSError as failed:
        log.warning("leftover_kept", path=str(run.partial), error=failed.strerror)
        return []


class Render(BusActor):
    """Renders one job's pending outputs. Runs in a thread of its own; ends itself when it has reported."""

    reads = StopRender | PauseRender | ChildExited | Tick

    def __init__(self, hub: Hub, watcher: Watcher, settings: RenderSettings, order: StartRender) -> None:
        super().__init__(hub, render_address(order.job_id))
        self.log = self.log.bind(job_id=order.job_id, run=order.run)
        self._watcher = watcher
        self._settings = settings
        self._order = order
        self._pending = list(order.pending)
        self._told_to: StopWhy | None = order.stop
        self._paused = order.paused
        self._waits = False
        self._run: Run | None = None
        self._stopper: Stopper | None = None
        self._fault: ErrorView | None = None
        self._again_after = SETTLE_SECONDS

    # ------------------------------------------------------------ messages

    def begin(self) -> None:
        """Start the first output, or take over what an earlier Render of this run began."""
        self._reports = Reports(self._order, self.outbox)
        self._next()

    def receive(self, messages: Sequence[StopRender | PauseRender | ChildExited | Tick]) -> None:
        """Do what each message says, unless it is about something that is over."""
        for message in messages:
            match message:
                case StopRender():
                    if message.run == self._order.run:
                        self._stop_now(message.why, hurry=message.hurry)
                case PauseRender():
                    if message.run == self._order.run:
                        self._pause(message.paused)
                case ChildExited():
                    self._on_exit(message.pid)
                case Tick():
                    self._on_tick(message.what)
                case _:
                    assert_never(message)

    def _on_exit(self, pid: int) -> None:
        run, stopper = self._run, self._stopper
        if run is None:
            return
        if run.child is not None and stopper is not None and run.child.pid == pid:
            run.child.reap()
            self._settle(run, stopper)
        elif run.probe is not None and run.probe.pid == pid:
            self._finish(run)

    def _on_tick(self, what: str) -> None:
        name, _, number = what.partition(":")
        run, stopper = self._run, self._stopper
        if run is None or int(number) != run.number:
            return  # it was for a run that is over
        steps = {"progress": self._look, "climb": self._climb, "settle": self._settle}
        if name in steps and stopper is not None:
            steps[name](run, stopper)
        elif name == "probe":
            run.end_probe()
        elif name == "adopt" and run.child is None:
            self._adopt(run)

    def _after(self, seconds: float, name: str, run: Run) -> None:
        self._watcher.after(seconds, self.address, f"{name}:{run.number}")

    # ------------------------------------------------------------ starting

    def _next(self) -> None:
        """Start the next pending output; where a stop was asked for, report."""
        self._run = self._stopper = None
        self._waits = False
        run = self._settings.run(self._order, self._pending[0])
        if run.was_started:
            self._run = run
            self._adopt(run)
        elif self._told_to is not None:
            self._report_end(None, "stopped")
        elif self._paused is not None:
            self._waits = True
            self._reports.paused(self._paused)
        else:
            self._run = run
            self._start(run)

    def _start(self, run: Run) -> None:
        try:
            for room in run.rooms(self._settings.min_free):
                if not room.is_enough:
                    self._report_end(None, "no_room", room=room)
                    return
            child = run.start()
        except RunFailed as failed:
            self._fail(run, failed.error)
            return
        self.log.info("child_started", output=run.index, pid=child.pid)
        self._watch(run, child)

    def _adopt(self, run: Run) -> None:
        """Take over where an earlier Render of this run stopped: its proof, its child, or what its child left."""
        facts = run.proof()
        if facts is not None:
            self._complete(run, facts)
            return
        self._fault = run.fault()
        is_to_end = self._told_to is not None or self._fault is not None
        child = run.adopt()
        if child is not None:
            self.log.info("child_adopted", output=run.index, pid=child.pid)
            stopper = self._watch(run, child, is_adopted=True)
            if is_to_end:
                self._climb(run, stopper)
            elif self._paused is not None:
                self._hold(run, child, self._paused)
            elif run.brake.is_on:
                run.brake.release(child)  # an earlier Render was told to, and did not come to it
            return
        if run.kill_strays():
            self._after(self._again_after, "adopt", run)
            self._again_after = min(2 * self._again_after, SETTLE_SECONDS_MAX)  # for each look reads all of /proc
        elif is_to_end or run.exit_status() is not None:
            self._judge(run)  # it ended while nobody looked; what it left behind says how
        else:
            self.log.warning("child_lost", output=run.index, why="it runs no more and left no exit status")
            self._report_end(run, "lost")

    def _watch(self, run: Run, child: Child, *, is_adopted: bool = False) -> Stopper:
        self._watcher.watch(child.pid, self.address, child.pidfd)
        self._patience = Patience(self._order.spec, run.index, run.brake.now(), child.age - run.brake.seconds)
        stopper = self._stopper = Stopper(child, self._settings.grace)
        self._reports.started(run.index, is_adopted=is_adopted)
        self._after(PROGRESS_SECONDS, "progress", run)
        return stopper

    # ------------------------------------------------------------ while FFmpeg runs

    def _look(self, run: Run, stopper: Stopper) -> None:
        """Report progress, and see whether the child takes too long or stands still."""
        if run.child is None:
            return
        if self._paused and not stopper.is_climbing:
            self._after(PROGRESS_SECONDS, "progress", run)
            return
        report = self._report_progress(run, "stopping" if stopper.is_climbing else None)
        if not stopper.is_climbing:
            now = run.brake.now()
            self._patience.look(now, report.block.out_time, run.written(), finishing=report.finishing)
            self._fault = self._patience.verdict(now)
            if self._fault is not None:
                run.note_fault(self._fault)
                self._climb(run, stopper)
        self._after(PROGRESS_SECONDS, "progress", run)

    def _report_progress(self, run: Run, known: Phase | None) -> Report:
        """Tell how far the run is; where its phase is not `known`, FFmpeg's own words say it."""
        report = run.read_progress()
        phase: Phase = known or ("finishing" if report.finishing else "rendering")
        self._reports.progress(run.index, report, phase, run.written().size)
        return report

    # ------------------------------------------------------------ pausing

    def _pause(self, wanted: str | None) -> None:
        """Hold a running child, or let it go on. Between two outputs, none is started; a proof is not held up."""
        if wanted == self._paused:
            return
        self._paused = wanted
        run, stopper = self._run, self._stopper
        if self._waits:
            self._next()
        elif run is not None and run.child is not None and stopper is not None and not stopper.is_climbing:
            if wanted is None:
                run.brake.release(run.child)
            else:
                self._hold(run, run.child, wanted)

    def _hold(self, run: Run, child: Child, pause: str) -> None:
        run.brake.apply(child)
        self._reports.paused(pause)

    # ------------------------------------------------------------ stopping

    def _stop_now(self, why: StopWhy, *, hurry: bool) -> None:
        """Climb the ladder at a running child. Where none runs, or it is done, the next step sees the wish."""
        run, stopper = self._run, self._stopper
        first, self._told_to = self._told_to is None, self._told_to or why
        if self._waits:
            self._next()
        if run is None or stopper is None:
            return
        if hurry:
            stopper.hurry(time.monotonic())
        if first or hurry:
            self._climb(run, stopper)

    def _climb(self, run: Run, stopper: Stopper) -> None:
        now = time.monotonic()
        self._reports.rung(run.index, stopper.climb(now))
        wait = stopper.until_next(now)
        if wait is not None:
            self._after(wait, "climb", run)

    def _settle(self, run: Run, stopper: Stopper) -> None:
        """FFmpeg has ended. Its group must be empty before anything is decided."""
        rung, wait = stopper.sweep(time.monotonic())
        self._reports.rung(run.index, rung)
        if wait is None:
            self._judge(run)
        else:
            self._after(wait, "settle", run)

    # ------------------------------------------------------------ judging

    def _judge(self, run: Run) -> None:
        status = run.exit_status()
        if run.child is not None:
            self.log.info("child_ended", output=run.index, pid=run.child.pid, exit_status=status)
        verdict = run.verdict(status, was_asked=self._told_to is not None or self._fault is not None)
        self._release(run)
        if verdict is Verdict.DONE:
            self._probe(run)
        elif self._told_to is not None:
            self._report_end(run, "stopped", exit_status=status)
        else:
            self._fail(run, self._fault or run.explain(status), status)

    def _probe(self, run: Run) -> None:
        """Nobody has to wait for the header to be read: the watcher tells."""
        self._report_progress(run, "finishing")
        try:
            probe = run.start_probe()
        except RunFailed as failed:
            self._fail(run, self._fault or failed.error, 0)  # an earlier Render may have failed it, and removed it
            return
        if probe is None:
            self._finish(run)
            return
        self._watcher.watch(probe.pid, self.address)
        self._after(PROBE_SECONDS, "probe", run)

    def _finish(self, run: Run) -> None:
        run.end_probe()
        try:
            facts = run.prove()
        except RunFailed as failed:
            self._fail(run, failed.error, 0)
            return
        self._complete(run, facts)

    def _complete(self, run: Run, facts: Facts) -> None:
        try:
            run.publish(facts)
        except RunFailed as failed:
            self._fail(run, failed.error, 0)
            return
        run.workspace.remove_fifo()
        self._reports.completed(run.index, facts)
        self._fault = None
        self._pending.remove(run.index)
        if self._pending:
            self._next()
        else:
            self._run = None
            self.stop()

    def _fail(self, run: Run, failed: ErrorView, status: int | None = None) -> None:
        run.note_fault(failed)
        how: EndHow = "failed" if self._told_to is None else "stopped"
        why = failed if how == "failed" else None
        self._report_end(run, how, why, exit_status=status)

    def _report_end(
        self,
        run: Run | None,
        how: EndHow,
        failed: ErrorView | None = None,
        *,
        exit_status: int | None = None,
        room: Room | None = None,
    ) -> None:
        """Leave nothing of the run, where there was one, and say how it ended."""
        removed = clean_up(run, self.log) if run else ()
        self._run = self._stopper = None
        index = run.index if run else None
        self._reports.ended(index, how, failed, exit_status=exit_status, removed=removed, room=room)
        self.stop()

    def _release(self, run: Run) -> None:
        self._stopper = None
        run.let_go()

    def end(self) -> None:
        """Let go of the child, which runs on: only a ladder stops it. A proof is begun anew by who comes next."""
        if self._run is not None:
            self._release(self._run)
            self._run.end_probe()

    def closing(self, error: str | None) -> RenderClosed:
        """The Supervisor is to hear of every end."""
        return RenderClosed(job_id=self._order.job_id, run=self._order.run, error=error)

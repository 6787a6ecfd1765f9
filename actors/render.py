"""The Render actor: one running job, one FFmpeg child at a time, one outcome.

It starts the pending outputs one after the other, or adopts what an earlier daemon started. It never waits: the
watcher tells it that a child has ended or that a moment has come. Told to stop, it climbs the ladder at its child
and goes on to judge what that came to: only the reaped exit decides.
"""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, assert_never

from actors.base import QUEUE, SUPERVISOR, BusActor, render_address
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import Child
from actors.ffmpeg.failure import error
from actors.ffmpeg.ladder import Ladder
from actors.ffmpeg.patience import Patience
from actors.ffmpeg.run import Report, Run, RunFailed, Verdict
from actors.jobs.model import Live
from actors.mail import (
    ChildExited,
    EndHow,
    Facts,
    OutputCompleted,
    OutputStarted,
    Progressed,
    RenderClosed,
    RenderEnded,
    Signalled,
    Stage,
    StartRender,
    StopRender,
    StopWhy,
    Tick,
)
from actors.watcher import Watcher
from bus.hub import Hub
from bus.messages import ErrorView, Phase

PROGRESS_SECONDS = 0.5
"""Between two looks at the child: FFmpeg reports as often, and subscribers are promised no more."""

SETTLE_SECONDS = 0.01
"""Until the first look whether a killed group is empty; SIGKILL takes effect in well under a millisecond."""

SETTLE_SECONDS_MAX = 0.5
"""Between two looks at a process that hangs in the kernel (a dead NFS): each reads all of /proc."""

PROBE_SECONDS = 60.0
"""For reading a finished file's header: 20 ms, unless the disk is very busy."""

ADOPT_SECONDS = 1.0
"""For a shim that was spawned in the instant of the crash to write down its pid: under a millisecond."""


class RenderSettings(NamedTuple):
    """What every Render needs to know. `grace` is seconds."""

    ffmpeg: FFmpeg
    grace: float
    work: Path


class Render(BusActor):
    """Renders one job's pending outputs. Runs in a thread of its own; ends itself when it has reported."""

    reads = StopRender | ChildExited | Tick

    def __init__(self, hub: Hub, watcher: Watcher, settings: RenderSettings, order: StartRender) -> None:
        super().__init__(hub, render_address(order.job_id))
        self.log = self.log.bind(job_id=order.job_id, run=order.run)
        self._watcher = watcher
        self._settings = settings
        self._order = order
        self._pending = list(order.pending)
        self._told_to: StopWhy | None = order.stop
        self._run: Run | None = None
        self._ladder: Ladder | None = None
        self._fault: ErrorView | None = None
        self._settle_after = SETTLE_SECONDS
        self._killed = False
        self._adopt_until = 0.0

    # ------------------------------------------------------------ messages

    def begin(self) -> None:
        """Start the first output, or take over what an earlier Render of this run began."""
        if self._order.discard is None:
            self._next()
        else:
            run = self._run = self._make_run(self._pending[0])
            run.adopt()
            self._discard(run, self._order.discard)

    def receive(self, messages: Sequence[StopRender | ChildExited | Tick]) -> None:
        """Do what each message says, unless it is about something that is over."""
        for message in messages:
            match message:
                case StopRender():
                    if message.run == self._order.run:
                        self._stop_now(message.why)
                case ChildExited():
                    self._on_exit(message.pid)
                case Tick():
                    self._on_tick(message.what)
                case _:
                    assert_never(message)

    def _on_exit(self, pid: int) -> None:
        run = self._run
        if run is None or self._order.discard is not None:
            return  # what is discarded is not judged
        if run.child is not None and run.child.pid == pid:
            run.child.reap()
            self._settle(run)
        elif run.probe is not None and run.probe.pid == pid:
            self._finish(run)

    def _on_tick(self, what: str) -> None:
        name, _, index = what.partition(":")
        run = self._run
        if run is None or int(index) != run.index:
            return
        if name == "progress":
            self._look(run)
        elif name == "climb":
            self._climb(run)
        elif name == "settle" and run.child is not None:
            self._settle(run)
        elif name == "probe":
            run.end_probe()
        elif name == "adopt" and run.child is None:
            self._adopt(run)
        elif name == "discard" and self._order.discard is not None:
            self._discard(run, self._order.discard)

    def _after(self, seconds: float, name: str, run: Run) -> None:
        self._watcher.after(seconds, self.address, f"{name}:{run.index}")

    # ------------------------------------------------------------ starting

    def _make_run(self, index: int) -> Run:
        order, settings = self._order, self._settings
        return Run(settings.ffmpeg, settings.work, order.job_id, order.run, order.spec, index)

    def _next(self) -> None:
        """Start the next pending output; where a stop was asked for, report."""
        self._run = self._ladder = None
        run = self._make_run(self._pending[0])
        if run.was_started:
            self._run = run
            self._adopt_until = time.monotonic() + ADOPT_SECONDS
            self._adopt(run)
        elif self._told_to is not None:
            self._report_end(None, "stopped")
        else:
            self._run = run
            self._start(run)

    def _start(self, run: Run) -> None:
        try:
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
        child = run.adopt()
        if child is not None:
            self.log.info("child_adopted", output=run.index, pid=child.pid)
            self._watch(run, child)
            if self._told_to is not None:
                self._climb_from_the_start(run)
            return
        shim_may_be_writing = not run.workspace.pid.exists() and time.monotonic() < self._adopt_until
        if shim_may_be_writing or run.kill_strays():
            self._after(SETTLE_SECONDS, "adopt", run)
        elif self._told_to is not None or run.exit_status() is not None:
            self._judge(run)  # it ended while nobody looked; what it left behind says how
        else:
            self.log.warning("child_lost", output=run.index, why="it runs no more and left no exit status")
            run.clean_up()
            self._report_end(run, "lost")

    def _discard(self, run: Run, why: ErrorView) -> None:
        """End what earlier Renders of this run died of, without another look at what it came to."""
        if run.child is not None and not run.child.has_ended():
            run.child.signal(signal.SIGKILL)
        elif not run.kill_strays():
            if run.child is not None:
                run.child.reap()
            self._release(run)
            run.clean_up()
            self._report_end(run, "failed", why)
            return
        self._after(SETTLE_SECONDS, "discard", run)

    def _watch(self, run: Run, child: Child) -> None:
        self._watcher.watch(child.pid, self.address, child.pidfd)
        self._patience = Patience(self._order.spec, run.index, time.monotonic())
        self._settle_after = SETTLE_SECONDS
        self._killed = False
        self.outbox.mail(QUEUE, OutputStarted(job_id=self._order.job_id, run=self._order.run, index=run.index))
        self._after(PROGRESS_SECONDS, "progress", run)

    # ------------------------------------------------------------ while FFmpeg runs

    def _look(self, run: Run) -> None:
        """Report progress, and see whether the child takes too long or stands still."""
        if run.child is None:
            return
        report = self._report_progress(run, "rendering" if self._ladder is None else "stopping")
        if self._ladder is None:
            now = time.monotonic()
            self._patience.look(now, report.block.out_time, run.written())
            self._fault = self._patience.verdict(now, run.child.age)
            if self._fault is not None:
                self._climb_from_the_start(run)
        self._after(PROGRESS_SECONDS, "progress", run)

    def _report_progress(self, run: Run, phase: Phase) -> Report:
        report = run.read_progress()
        block = report.block
        live = Live(
            job_id=self._order.job_id,
            run=self._order.run,
            index=run.index,
            phase=phase,
            progress=report.progress,
            speed=block.speed,
            eta=report.eta,
        )
        self.outbox.mail(
            QUEUE,
            Progressed(live=live, frame=block.frame, fps=block.fps, out_time=block.out_time, size=run.written()),
        )
        return report

    # ------------------------------------------------------------ stopping

    def _stop_now(self, why: StopWhy) -> None:
        """Climb the ladder at a running child. Where none runs, or it is done, the next step sees the wish."""
        if self._told_to is None:
            self._told_to = why
            if self._run is not None and self._run.child is not None and self._ladder is None:
                self._climb_from_the_start(self._run)

    def _climb_from_the_start(self, run: Run) -> None:
        self._ladder = Ladder(self._settings.grace, time.monotonic())
        self._climb(run)

    def _climb(self, run: Run) -> None:
        if self._ladder is None or run.child is None or run.child.has_ended():
            return  # nothing to climb at; the news of its end is on the way
        now = time.monotonic()
        stage = self._ladder.take(now)
        if stage is not None:
            # A stopped (SIGSTOP) process neither reads nor handles SIGTERM before it goes on.
            run.child.signal(signal.SIGCONT)
            if stage == "q":
                run.child.ask()
            else:
                run.child.signal(signal.Signals[stage])
            self._report_signal(run, stage)
        wait = self._ladder.until_next(now)
        if wait is not None:
            self._after(wait, "climb", run)

    def _report_signal(self, run: Run, stage: Stage) -> None:
        self._killed = stage == "SIGKILL"
        job_id, number = self._order.job_id, self._order.run
        self.outbox.mail(QUEUE, Signalled(job_id=job_id, run=number, index=run.index, stage=stage))

    def _settle(self, run: Run) -> None:
        """FFmpeg has ended. Its group must be empty before anything is decided."""
        if run.child is not None and not run.child.is_empty():
            run.child.signal(signal.SIGKILL)
            if not self._killed:
                self._report_signal(run, "SIGKILL")
            self._after(self._settle_after, "settle", run)
            self._settle_after = min(2 * self._settle_after, SETTLE_SECONDS_MAX)
            return
        self._judge(run)

    # ------------------------------------------------------------ judging

    def _judge(self, run: Run) -> None:
        status = run.exit_status()
        if run.child is not None:
            self.log.info("child_ended", output=run.index, pid=run.child.pid, exit_status=status)
        verdict = run.verdict()
        self._release(run)
        if verdict is Verdict.DONE:
            self._ladder = None
            self._probe(run)
        elif self._told_to is not None:
            run.clean_up()
            self._report_end(run, "stopped", exit_status=status)
        elif self._fault is not None:
            self._fail(run, self._fault, status)
        elif verdict is Verdict.OBEYED:
            self._fail(run, error("killed", "somebody other than Rushes told FFmpeg to stop"), status)
        else:
            self._fail(run, run.explain(status), status)

    def _probe(self, run: Run) -> None:
        """Nobody has to wait for the header to be read: the watcher tells."""
        self._report_progress(run, "finishing")
        try:
            probe = run.start_probe()
        except RunFailed as failed:
            self._fail(run, failed.error, 0)
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
        self.outbox.mail(
            QUEUE,
            OutputCompleted(job_id=self._order.job_id, run=self._order.run, index=run.index, facts=facts),
        )
        self._fault = None
        self._pending.remove(run.index)
        if self._pending:
            self._next()
        else:
            self._run = None
            self.stop()

    def _fail(self, run: Run, failed: ErrorView, status: int | None = None) -> None:
        run.clean_up()
        if self._told_to is not None:
            self._report_end(run, "stopped", exit_status=status)
        else:
            self._report_end(run, "failed", failed, status)

    def _report_end(
        self, run: Run | None, how: EndHow, failed: ErrorView | None = None, exit_status: int | None = None
    ) -> None:
        self._run = self._ladder = None
        self.outbox.mail(
            QUEUE,
            RenderEnded(
                job_id=self._order.job_id,
                run=self._order.run,
                index=run.index if run else None,
                how=how,
                error=failed,
                exit_status=exit_status,
            ),
        )
        self.stop()

    def _release(self, run: Run) -> None:
        if run.child is not None:
            run.child.close()
            run.child = None

    def end(self) -> None:
        """Let go of the child, which runs on: only a ladder stops it."""
        if self._run is not None:
            self._release(self._run)
        self.outbox.mail(SUPERVISOR, RenderClosed(job_id=self._order.job_id, run=self._order.run))

"""What a Render tells the others of its run: each method is one sentence, and the mail that says it."""

from collections.abc import Sequence

from actors.base import QUEUE
from actors.ffmpeg.run import Report
from actors.ffmpeg.stopper import Rung
from actors.jobs.model import Live
from actors.mail import (
    EndHow,
    Facts,
    OutputCompleted,
    OutputStarted,
    Paused,
    Progressed,
    RenderEnded,
    Room,
    Signalled,
    StartRender,
)
from bus.messages import ErrorView, Phase
from bus.outbox import Outbox


class Reports:
    """From one Render, whose order says which job and which run it is. Used by its thread."""

    def __init__(self, order: StartRender, outbox: Outbox) -> None:
        self._job_id = order.job_id
        self._run = order.run
        self._outbox = outbox

    def started(self, index: int, *, is_adopted: bool) -> None:
        """FFmpeg runs for this output; an earlier Render has started it, or this one."""
        news = OutputStarted(job_id=self._job_id, run=self._run, index=index, is_adopted=is_adopted)
        self._outbox.mail(QUEUE, news)

    def progress(self, index: int, report: Report, phase: Phase, size: int) -> None:
        """How far it is; `size` is bytes written."""
        block = report.block
        live = Live(
            job_id=self._job_id, run=self._run, index=index, phase=phase, progress=report.progress,
            speed=block.speed, eta=report.eta,
        )  # fmt: skip
        news = Progressed(live=live, frame=block.frame, fps=block.fps, out_time=block.out_time, size=size)
        self._outbox.mail(QUEUE, news)

    def paused(self, pause: str) -> None:
        """The child is held, or no further one is started."""
        self._outbox.mail(QUEUE, Paused(job_id=self._job_id, run=self._run, paused=pause))

    def rung(self, index: int, rung: Rung | None) -> None:
        """A rung of the ladder was taken, if one was."""
        if rung is not None:
            job_id, run = self._job_id, self._run
            news = Signalled(job_id=job_id, run=run, index=index, stage=rung.stage, after=rung.after)
            self._outbox.mail(QUEUE, news)

    def completed(self, index: int, facts: Facts) -> None:
        """An output is proved and in its place."""
        self._outbox.mail(QUEUE, OutputCompleted(job_id=self._job_id, run=self._run, index=index, facts=facts))

    def ended(
        self,
        index: int | None,
        how: EndHow,
        error: ErrorView | None = None,
        *,
        exit_status: int | None = None,
        removed: Sequence[str] = (),
        room: Room | None = None,
    ) -> None:
        """No child runs and no partial is left."""
        self._outbox.mail(
            QUEUE,
            RenderEnded(
                job_id=self._job_id, run=self._run, index=index, how=how, error=error, exit_status=exit_status,
                removed=list(removed), room=room,
            ),
        )  # fmt: skip

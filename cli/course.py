"""How far the runs of a job have come, by its events. Pure: no daemon, no terminal."""

from typing import NamedTuple

from bus.messages import Event

ENDS = frozenset({"job.completed", "job.failed", "job.cancelled", "job.deleted", "job.expired"})


class Run(NamedTuple):
    """One FFmpeg run of a job, as `log` names it."""

    attempt: int
    output: int
    path: str

    @property
    def heading(self) -> str:
        """What stands above its log; not yet clean."""
        return f"==> output {self.output}, attempt {self.attempt}: {self.path} <=="


class Course:
    """The runs that are chosen: those of an output, of an attempt, of both, or all.

    Args:
        output: None for every output.
        attempt: None for every attempt. Each start of the job counts as one.

    """

    def __init__(self, output: int | None = None, attempt: int | None = None) -> None:
        self.latest: Run | None = None
        """The chosen run that began last."""
        self.running = False
        """True while FFmpeg runs for it."""
        self.ended = False
        """True where the job has ended; a retry may begin it anew."""
        self._output = output
        self._attempt = attempt
        self._passed = False

    @property
    def over(self) -> bool:
        """True where no chosen run can begin or go on any more."""
        return self.ended or self._passed

    def take(self, event: Event) -> None:
        """Take the job's next event."""
        data = event.data
        match event.type:
            case "job.output_started":
                self._begin(Run(data["run"], data["index"], data["path"]))
            case "job.output_completed":
                self.running = self.running and (self.latest is None or self.latest.output != data["index"])
                # A completed output is never rendered again.
                self._passed = self._passed or data["index"] == self._output
            case "job.submitted" | "job.requeued":
                self.running = self.ended = False
                self._passed = self._passed or (self._attempt is not None and self.latest is not None)
            case kind if kind in ENDS:
                self.running, self.ended = False, True

    def _begin(self, run: Run) -> None:
        self.ended = False
        if self._output in (None, run.output) and self._attempt in (None, run.attempt):
            self.latest, self.running = run, True
        elif self._attempt is not None and run.attempt > self._attempt:
            self._passed = True

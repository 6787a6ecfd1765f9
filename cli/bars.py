"""Live bars of running jobs on a terminal. The one module that needs rich, and imported only to draw."""

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from bus.messages import JobView
from cli import text
from cli.lines import Show, pace
from cli.table import COLOURS, cut

REFRESHES = 8
"""A second. Progress comes twice a second; the pulse of an unknown length looks alive at this rate."""

BAR_CELLS = 20
TITLE_CELLS = 18
"""Of a job's title: with the id's 8, a bar and its numbers, a line then fits 80 columns."""

SHORT_ID_CHARS = 8
"""Of an id: enough to be told apart, and to be given to any command."""


class Bars:
    """A line for each job, redrawn in place on stderr."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.fields[id]}", markup=False),
            TextColumn("[{task.fields[colour]}]{task.fields[standing]:10}"),
            BarColumn(BAR_CELLS),
            TextColumn("{task.fields[percent]:>4}", markup=False),
            TextColumn("{task.fields[title]}", markup=False),
            TextColumn("{task.fields[pace]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=REFRESHES,
        )

    def show(self, job: JobView) -> None:
        """Draw the job as it stands."""
        standing = text.standing(job)
        running = job.status == "processing"
        # A length that is not known is drawn as a pulse, and an ended job's bar stands still.
        total = None if running and job.progress is None else 1.0
        fields: dict[str, Any] = {
            "id": job.id[:SHORT_ID_CHARS],
            "colour": COLOURS.get(standing, "default"),
            "standing": standing,
            "percent": text.percent(job.progress),
            "title": cut(_title(job), TITLE_CELLS),
            "pace": pace(job) if running else "",
        }
        if job.id not in self._tasks:
            self._tasks[job.id] = self._progress.add_task("", total=total, **fields)
        self._progress.update(self._tasks[job.id], total=total, completed=job.progress or 0.0, **fields)

    def __enter__(self) -> Show:
        self._progress.start()
        return self.show

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()


def _title(job: JobView) -> str:
    """The file that is being made, where a job makes several; else what people call the job."""
    current = next((output for output in job.outputs if output.status == "rendering"), None)
    if current is None or job.total_outputs == 1:
        return text.title(job)
    return f"{current.index + 1}/{job.total_outputs} {text.clean(current.path.rpartition('/')[2])}"

"""What FFmpeg says, live."""

import asyncio
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Log

from bus.aio import AsyncClient
from bus.errors import CommandRefused, NoDaemon
from bus.messages import JobView
from bus.request import ENDED
from cli import text
from cli.course import Run
from cli.top.lines import Lines
from cli.top.questions import trouble
from cli.top.rows import Piece

READ_SECONDS = 1.0
"""Between two looks at a log that grows: no event tells of that."""

TAIL_LINES = 500
"""Of a log, at first; `rushes log` has all of it."""

LINES_KEPT = 5000
"""On the screen; FFmpeg says some fifty lines in a usual run."""


class LogScreen(ModalScreen[None]):
    """The log of the job's latest run, then those of the runs that follow.

    Args:
        client: the bus.
        job: the job as it stands.

    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,l", "back", show=False),
    ]

    def __init__(self, client: AsyncClient, job: JobView) -> None:
        super().__init__()
        self._client = client
        self.job = job
        self._run: Run | None = None
        self._offset: int | None = None
        self._seen = 0
        self._read: int | None = None

    def compose(self) -> ComposeResult:
        """A title, the log, what is wrong, the keys."""
        yield Lines(id="title")
        yield Log(id="said", max_lines=LINES_KEPT)
        yield Lines(id="answer")
        yield Lines(id="keys")

    def on_mount(self) -> None:
        """Begin to read."""
        keys = (
            Piece(" Escape", "bold cyan"),
            Piece(" Back  "),
            Piece(" Arrows PgUp End", "bold cyan"),
            Piece(" Scroll"),
        )
        self.query_one("#keys", Lines).show([keys])
        self.query_one("#said", Log).focus()
        self.look(self.job)
        self.run_worker(self._read_for_ever(), name="log")

    def look(self, job: JobView | None) -> None:
        """The job as it stands now; None where it is out of sight."""
        self.job = job or self.job
        title = (Piece(f"{self.job.id}  ", "bold"), Piece(f"{text.standing(self.job)}  {text.title(self.job)}"))
        self.query_one("#title", Lines).show([title])

    def action_back(self) -> None:
        """To the jobs."""
        self.dismiss()

    async def _read_for_ever(self) -> None:
        while True:
            job = self.job
            if self._read != job.seq or job.status not in ENDED:
                try:
                    await self._read_on(job)
                    self._read = job.seq  # of a job that has ended, that was all
                    self._answer("" if self._run else "It has not run yet, so FFmpeg has said nothing.")
                except (CommandRefused, NoDaemon) as error:
                    self._answer(trouble(error))
            await asyncio.sleep(READ_SECONDS)

    async def _read_on(self, job: JobView) -> None:
        """What was said since the last time; of runs that have begun since, all."""
        runs = await self._begun() if self._read != job.seq else []
        for run in runs if self._run else runs[-1:]:
            if self._run:
                await self._write_more(self._run)
            self._run, self._offset = run, None
            said = self.query_one("#said", Log)
            if any(said.lines[-1:]):  # FFmpeg was killed in the middle of a line
                said.write("\n")
            said.write(text.clean(run.heading) + "\n")  # `write_line` would have its first words on the same line
        if self._run:
            await self._write_more(self._run)

    async def _begun(self) -> list[Run]:
        """The job's runs since the last look, as its events tell."""
        runs = []
        while events := (await self._client.events_page(self._seen, job_id=self.job.id)).events:
            for event in events:
                self._seen = event.seq or self._seen
                if event.type == "job.output_started":
                    runs.append(Run(event.data["run"], event.data["index"], event.data["path"]))
        return runs

    async def _write_more(self, run: Run) -> None:
        result = await self._client.log(
            self.job.id,
            output=run.output,
            attempt=run.attempt,
            tail=TAIL_LINES if self._offset is None else None,
            offset=self._offset,
        )
        self._offset = result.next_offset
        if result.text:
            self.query_one("#said", Log).write(text.clean_log(result.text).replace("\r\n", "\n").replace("\r", "\n"))

    def _answer(self, said: str) -> None:
        self.query_one("#answer", Lines).show([(Piece(said, "yellow"),)])

"""The dialogs that ask before something is destroyed: they say what will happen, and lose nothing that was typed."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from bus.errors import CommandRefused, NoDaemon
from bus.limits import MAX_NOTES_CHARS, MAX_REASON_CHARS
from bus.messages import DeleteResult, JobView
from bus.request import ENDED
from cli import text
from cli.table import cut, cut_front
from cli.top.lines import Lines
from cli.top.link import Link
from cli.top.rows import Piece

FILES_NAMED = 6
"""Files that a dialog names before it says how many more there are: it must fit 24 lines."""

NAME_CELLS, FILE_CELLS = 100, 70
"""Of a job's name, two lines of a dialog on 80 columns, and of a file's path, one: what will happen must be seen too,
and which keys do it.
"""

FIELDS = {"reason": MAX_REASON_CHARS, "notes": MAX_NOTES_CHARS}
"""What can be said of a cancel, and in how many characters."""

DEFAULT_REASON = "user_request"
"""The protocol's own."""

DELETE_SECONDS = 10.0
"""For a running job's FFmpeg to end, the whole stop ladder; what takes longer is told of by an event."""

Line = tuple[Piece, ...]


class Say(Protocol):
    """Tells the user what came of something, wherever he looks now."""

    def __call__(self, said: str, *, failed: bool = False) -> None:
        """Show `said`, which is clean; as an alarm where it `failed`."""


def trouble(error: CommandRefused | NoDaemon) -> str:
    """What a command's failure is to its user."""
    return f"{error.code}: {error.message}" if isinstance(error, CommandRefused) else str(error)


class Question(ModalScreen[None]):
    """Enter does it, once; Escape keeps all as it is.

    Args:
        link: the bus.
        job: the job as it stands.
        say: where the outcome is told.

    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "keep", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("enter", "confirm", show=False),  # in its turn, after what was typed before it
    ]

    heading = ""
    hint = ""

    def __init__(self, link: Link, job: JobView, say: Say) -> None:
        super().__init__()
        self.link = link
        self.job = job
        self._say = say
        self._asked = False

    @abstractmethod
    async def carry_out(self) -> str:
        """Send the command; what came of it, in a line. Raises `CommandRefused`, `NoDaemon`."""

    @abstractmethod
    def consequences(self) -> Iterator[str]:
        """What will happen, in lines."""

    def fields(self) -> ComposeResult:
        """What can be typed."""
        yield from ()

    def compose(self) -> ComposeResult:
        """The dialog."""
        with Vertical(id="question"):
            yield Label(self.heading, id="heading", markup=False)
            yield Lines(id="consequences")
            yield from self.fields()
            yield Lines(id="answer")
            yield Label(self.hint, id="hint", markup=False)

    def on_mount(self) -> None:
        """Say what will happen."""
        self.look(self.job)

    def look(self, job: JobView | None) -> None:
        """The job as it stands now; None where it is out of sight."""
        self.job = job or self.job
        title = cut(text.title(self.job), NAME_CELLS)
        name = (Piece(f"{self.job.id}  ", "bold"), Piece(f"{text.standing(self.job)}  "), Piece(title))
        lines: list[Line] = [name, *((Piece(said),) for said in self.consequences())]
        self.query_one("#consequences", Lines).show(lines)

    def action_keep(self) -> None:
        """Close the dialog."""
        self.dismiss()

    def action_confirm(self) -> None:
        """Do it. A second Enter finds that it is being done."""
        if self._asked:
            return
        self._asked = True
        self._answer("The daemon is asked; Escape only closes this.", "yellow")
        self.app.run_worker(self._carry_out(), name="command")  # the app's: it outlives the dialog

    async def _carry_out(self) -> None:
        try:
            self.link.check()
            said = await self.carry_out()
        except (CommandRefused, NoDaemon) as error:
            self._asked = False
            if self.is_current:
                self._answer(trouble(error), "bold red")
            else:
                self._say(trouble(error), failed=True)
        else:
            self._say(said)
            if self.is_current:
                self.dismiss()

    def _answer(self, said: str, style: str) -> None:
        self.query_one("#answer", Lines).show([(Piece(said, style),)])


class CancelQuestion(Question):
    """Before a job is stopped: why, for the record."""

    heading = "Cancel Job?"
    hint = "Enter: cancel it    Tab: next field    Escape: keep it"

    def fields(self) -> ComposeResult:
        """A reason, and notes."""
        for name, most in FIELDS.items():
            yield Label(f"{name.capitalize()} (optional, at most {most} characters)", markup=False)
            yield Input(id=name, placeholder=DEFAULT_REASON if name == "reason" else "", compact=True)

    def on_mount(self) -> None:
        """A cursor that blinks would be sent over the line twice a second."""
        for field in self.query(Input):
            field.cursor_blink = False
        self.set_focus(self.query_one("#reason", Input))

    def on_input_submitted(self) -> None:
        """Enter in a field."""
        self.action_confirm()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What is too long is cut: textual's own `max_length` would drop all of what was pasted."""
        most = FIELDS[event.input.id or ""]
        if len(event.value) > most:
            event.input.value = event.value[:most]
            self._answer(f"cut to {most} characters", "yellow")

    def consequences(self) -> Iterator[str]:
        """What a cancel does to a job as this one stands."""
        job = self.job
        if job.status == "queued":
            yield "It leaves the queue and will not run. Its record stays."
        elif job.status == "processing":
            yield "Its FFmpeg is asked to end, then made to; what it has not finished is removed."
        else:
            yield f"It is {job.status} by now: there is nothing left to cancel."
        if job.status not in ENDED and job.completed_outputs:
            yield f"{text.count(job.completed_outputs, 'output')} of {job.total_outputs} completed: these files stay."

    async def carry_out(self) -> str:
        """Cancel it."""
        reason, notes = (self.query_one(f"#{name}", Input).value.strip() for name in FIELDS)
        result = await self.link.client.cancel(self.job.id, reason=reason or DEFAULT_REASON, notes=notes or None)
        if not result.changed and result.job.cancel:
            return f"{self.job.id} was already {text.standing(result.job)}, by {result.job.cancel.by}"
        if result.job.phase == "stopping":  # for now; what is said here stays until the next key
            return f"{self.job.id} was told to stop"
        return f"{self.job.id} is {text.standing(result.job)}"


class DeleteQuestion(Question):
    """Before a job goes, and the files that it made: the daemon has looked at each."""

    heading = "Delete Job?"
    hint = "Enter: delete it    k: files go or stay    Escape: keep all"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("k", "keep_files", show=False)]

    def __init__(self, link: Link, job: JobView, say: Say) -> None:
        super().__init__(link, job, say)
        self._keep_files = False
        self._force = job.status not in ENDED
        """What was said when it was asked: a job that runs again since is not stopped for that."""
        self._tried: DeleteResult | None = None

    def on_mount(self) -> None:
        """Ask what would happen."""
        self.run_worker(self._try(), name="dry run")

    async def _try(self) -> None:
        """Where the daemon does not tell, what the job's view says stays."""
        with suppress(CommandRefused, NoDaemon):
            self._tried = await self.link.client.delete(self.job.id, force=self._force, dry_run=True)
            self.look(self.job)

    def action_keep_files(self) -> None:
        """Its files go, or stay."""
        self._keep_files = not self._keep_files
        self.look(self.job)

    def consequences(self) -> Iterator[str]:
        """What goes, and what stays."""
        if self.job.status in ENDED:
            yield "Its record goes: nothing lists it any more."
        elif self._force:
            yield f"It is {self.job.status}: it is cancelled first. Then its record goes."
        else:
            yield f"It is {self.job.status} again: to have it cancelled first, leave this and ask once more."
        made = [output.path for output in self.job.outputs if output.status == "completed"]
        kept = [(left.path, left.message) for left in self._tried.failed] if self._tried else []
        missing = self._tried.missing if self._tried else []
        gone = [path for path in made if path not in dict(kept) and path not in missing]
        if not made:
            yield "It has made no file so far."
        if missing:
            yield f"{text.count(len(missing), 'file')} missing already."
        if gone:
            yield f"{text.count(len(gone), 'file')} {'KEPT' if self._keep_files else 'WILL BE REMOVED'}:"
            yield from _some(map(_file, gone))
        if kept and not self._keep_files:
            yield f"{text.count(len(kept), 'file')} left, since another by now:"
            yield from _some(f"{_file(path)}: {message}" for path, message in kept)

    async def carry_out(self) -> str:
        """Delete it; what became of its files."""
        result = await self.link.client.delete(
            self.job.id, force=self._force, keep_files=self._keep_files, wait=DELETE_SECONDS
        )
        if result.status == "deleting":
            return f"{self.job.id} goes as soon as its FFmpeg has ended"
        parts = [f"{self.job.id} {result.status}"]
        for what, files in (("removed", len(result.removed)), ("missing", len(result.missing))):
            parts += [f"{text.count(files, 'file')} {what}"] if files else []
        parts += [f"left {left.path}: {left.message}" for left in result.failed]
        return ", ".join(parts)


def _file(path: str) -> str:
    return f"  {cut_front(text.clean(path), FILE_CELLS)}"


def _some(lines: Iterable[str]) -> Iterator[str]:
    """The first few, and how many more there are."""
    every = list(lines)
    yield from every[:FILES_NAMED]
    if len(every) > FILES_NAMED:
        yield f"  and {len(every) - FILES_NAMED} more"

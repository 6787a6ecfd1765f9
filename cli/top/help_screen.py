"""What the keys do, on one screen."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
up down     Choose a job. PgUp PgDn Home End Tab: go further
c           Cancel: stop it, keep its record. Asks first
p           Pause it where it is, FFmpeg too. p again: Go on
f           To the front, before every other queued job
+           Up: to the priority of the job above it, or one more if it
            was submitted later; then it passes all of that priority
-           Down: the same the other way round
r           Retry a failed job. Completed outputs are kept
d           Delete its record and the files it made. Asks first
l           Log: what FFmpeg says, live
s           Drain: no further job starts, over restarts too. s: Resume
/           Find by the beginning of an id or a part of a name, session
            or file. Enter keeps it, Escape shows all again
q Ctrl-C    Quit. Nothing is stopped. Ctrl-L draws all anew

Of a long queue the first 100 are listed; `rushes list --all` has all.
Any key goes back."""


class HelpScreen(ModalScreen[None]):
    """Goes with the next key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        """The text."""
        with Vertical(id="help"):
            yield Static(HELP, markup=False)

    def on_key(self) -> None:
        """Whatever it is."""
        self.dismiss()

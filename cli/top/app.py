"""The application: draws what the model holds, at most twice a second, and does what the keys say."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input
from textual.worker import WorkerFailed

from bus.address import default_address, ipc_folder
from bus.errors import CommandRefused, NoDaemon
from bus.messages import BoostResult, JobView
from bus.request import ENDED
from cli.main import DONE, INTERRUPTED
from cli.top import banner, rows
from cli.top.disks import DiskWatch, folders
from cli.top.help_screen import HelpScreen
from cli.top.job_list import JobList
from cli.top.lines import Lines
from cli.top.link import Link
from cli.top.log_screen import LogScreen
from cli.top.model import Model
from cli.top.questions import CancelQuestion, DeleteQuestion, Question, trouble

DRAW_SECONDS = 0.5
"""Between two drawings of what has changed: over a slow line, more is only late. Keys are answered at once."""

FEED_LINES = {36: 10, 20: 4}
"""Lines for events on a screen of at least so many lines; on a smaller one, the jobs have them all."""


JOB_KEYS = {
    "up,k": "go(-1)",
    "down,j": "go(1)",
    "pageup": "go(-10)",
    "pagedown": "go(10)",
    "home": "go(-100000)",
    "end": "go(100000)",
    "tab": "section(1)",
    "shift+tab": "section(-1)",
    "c": "cancel",
    "p": "pause",
    "f": "front",
    "plus,equals_sign,shift+up": "step(-1)",
    "minus,shift+down": "step(1)",
    "r": "retry",
    "d,delete": "delete",
    "l": "log",
    "s": "drain",
    "slash": "filter",
    "question_mark,h,f1": "help",
    "q": "leave",
}
"""The keys of the jobs. They have priority, so that each is done before the next is looked at. Else what a slow line
brings at once would be for whatever was in front when it came: `/card` and Enter would cancel a job.
"""

OF_JOBS = frozenset(action.partition("(")[0] for action in JOB_KEYS.values())


class Top(App[Exception | int]):
    """Ends with an exit status, or with what went wrong.

    Args:
        address: the bus address.
        model: what to show; an empty one, unless it shall stand still.
        live: False to show the model as it is, without a daemon.

    """

    CSS_PATH = Path(__file__).with_name("top.tcss")
    ENABLE_COMMAND_PALETTE = False
    TITLE = "rushes top"
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(keys, action, show=False, priority=True) for keys, action in JOB_KEYS.items()),
        Binding("escape", "all", show=False),
        Binding("ctrl+l", "redraw", show=False, priority=True),
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False, priority=True),
    ]

    def __init__(self, address: str | None = None, model: Model | None = None, *, live: bool = True) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.model = model or Model()
        self.link: Link  # made once there is an event loop
        self._address = address or default_address()
        self._live = live
        self._disks: list[banner.Disk] = []
        self._watch: DiskWatch | None = None
        self._to_close = AsyncExitStack()
        self._drawn = -1
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """The lines of the screen, from the top."""
        yield Lines(id="headline")
        yield Lines(id="state")
        yield JobList()
        yield Lines(id="feed")
        yield Input(id="filter", placeholder="id, name, session or file", compact=True)
        yield Lines(id="message")
        yield Lines(id="keys")

    def on_mount(self) -> None:
        """Connect, and draw now and then."""
        self.query_one("#filter", Input).cursor_blink = False
        self.link = Link(self._address, self.model)
        self._to_close.push_async_callback(self.link.close)
        if self._live:
            self.run_worker(self.link.follow(), name="follow")
            if ipc_folder(self._address) is not None:  # a daemon of this machine
                loop = asyncio.get_running_loop()
                self._watch = DiskWatch(lambda disks: self._hand_over(loop, disks))
                self._watch.start()
                self._to_close.callback(self._watch.close)
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())  # after Ctrl-Z: the shell wrote on it
        self.set_interval(DRAW_SECONDS, self._draw_news)
        self.call_after_refresh(self._draw)

    async def on_unmount(self) -> None:
        """Let go of the bus and of the disks."""
        await self._to_close.aclose()

    def _handle_exception(self, error: Exception) -> None:
        """Whoever started this tells what went wrong, in a line like any command's, once the terminal is his again.

        Textual's own would print a screen of traceback.
        """
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error
        if self._exception is None:
            self._exception = error  # for textual's pilot, which raises it
            self._exception_event.set()
        self.exit(error, return_code=1)

    def _hand_over(self, loop: asyncio.AbstractEventLoop, disks: list[banner.Disk]) -> None:
        """From the disks' thread to this one."""
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._take_disks, disks)

    def _take_disks(self, disks: list[banner.Disk]) -> None:
        if disks != self._disks:
            self._disks = disks
            self._drawn = -1

    # ------------------------------------------------------------ drawing

    def _draw_news(self) -> None:
        if self._drawn != self.model.version:
            self._draw()

    def _draw(self) -> None:
        """Draw the model. What is as it was costs nothing."""
        model, room = self.model, self.size.width
        self._drawn = model.version
        if self._watch is not None:
            self._watch.look_at(folders([*model.running.values(), *model.queue]))
        base = self.screen_stack[0]
        lines = next((lines for height, lines in FEED_LINES.items() if self.size.height >= height), 0)
        base.query_one("#headline", Lines).show([banner.headline(model, self._address, room)])
        base.query_one("#state", Lines).show([banner.state(model, self._disks, self._wanted, room)])
        base.query_one(JobList).show(rows.sections(model, self._wanted, room))
        feed = base.query_one("#feed", Lines)
        feed.display, feed.styles.height = lines > 0, lines + 1  # and a rule above them
        feed.show(rows.feed(list(model.feed), model, lines, room))
        self._draw_keys()
        if isinstance(self.screen, Question | LogScreen):
            self.screen.look(model.job(self.screen.job.id))

    def _draw_keys(self) -> None:
        self.screen_stack[0].query_one("#keys", Lines).show([banner.keys(self.model, self.chosen)])

    def on_job_list_chosen(self) -> None:
        """Other keys may be of use now."""
        self._draw_keys()

    def on_resize(self) -> None:
        """Another size, other lines."""
        self.call_after_refresh(self._draw)

    def say(self, said: str, *, failed: bool = False) -> None:
        """One line about what was done. It stays until the next."""
        piece = rows.Piece(f" {said}", "bold red" if failed else "")
        self.screen_stack[0].query_one("#message", Lines).show([rows.fitted((piece,), self.size.width)])

    # ------------------------------------------------------------ keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """False for what is not to be done now: then the key is for whatever is in front."""
        if action in OF_JOBS:
            return len(self.screen_stack) == 1 and not isinstance(self.focused, Input)
        return super().check_action(action, parameters)

    @property
    def _jobs(self) -> JobList:
        return self.screen_stack[0].query_one(JobList)

    def action_go(self, step: int) -> None:
        """Choose another job."""
        self._jobs.go(step)

    def action_section(self, step: int) -> None:
        """Choose a job of another list."""
        self._jobs.go_section(step)

    @property
    def chosen(self) -> JobView | None:
        """The job that the keys are for, as it stands."""
        return self.model.job(self._jobs.chosen)

    async def action_cancel(self) -> None:
        """Ask whether the job is to be stopped."""
        job = self.chosen
        if job is not None and job.status in ENDED:
            self.say(f"{job.id} is {job.status}: there is nothing to cancel", failed=True)
        elif job is not None:
            await self.push_screen(CancelQuestion(self.link, job, self.say))

    async def action_delete(self) -> None:
        """Ask whether the job is to go."""
        if (job := self.chosen) is not None:
            await self.push_screen(DeleteQuestion(self.link, job, self.say))

    async def action_log(self) -> None:
        """Show what FFmpeg says."""
        if (job := self.chosen) is not None:
            await self.push_screen(LogScreen(self.link.client, job))

    async def action_help(self) -> None:
        """Show what the keys do."""
        await self.push_screen(HelpScreen())

    def action_pause(self) -> None:
        """Hold it where it is, or let it go on."""
        if (job := self.chosen) is not None:
            self._do(self._pause(job))

    async def _pause(self, job: JobView) -> str:
        if job.paused:
            after = (await self.link.client.unpause(job.id)).job
            return f"{job.id} goes on{' when it has its slots' if after.paused else ''}"
        after = (await self.link.client.pause(job.id)).job
        held = "is held where it is, and keeps its slots" if after.status == "processing" else "does not start"
        return f"{job.id} {held}, until p is pressed again"

    def action_front(self) -> None:
        """Before every other queued job."""
        if (job := self.chosen) is not None:
            self._do(self._front(job))

    async def _front(self, job: JobView) -> str:
        return _moved(job, await self.link.client.boost(job.id, front=True))

    def action_step(self, step: int) -> None:
        """Before the one above it, or behind the one below it."""
        if (job := self.chosen) is not None:
            self._do(self._step(job, step))

    async def _step(self, job: JobView, step: int) -> str:
        result = await self.link.step(job.id, step)
        if result is None:
            return f"{job.id} has nothing {'before' if step < 0 else 'behind'} it in the queue as it is listed here"
        return _moved(job, result)

    def action_retry(self) -> None:
        """Queue a failed job again."""
        if (job := self.chosen) is not None:
            self._do(self._retry(job))

    async def _retry(self, job: JobView) -> str:
        again = (await self.link.client.retry(job.id)).job
        return f"{again.id} is {again.status} again" + (f", place {again.position}" if again.position else "")

    def action_drain(self) -> None:
        """Start no further job, or start jobs again."""
        self._do(self._drain(resume=self.model.draining))

    async def _drain(self, *, resume: bool) -> str:
        if resume:
            await self.link.client.resume()
            return "Resumed: jobs start again"
        await self.link.client.drain()
        return "Draining: no further job starts until s is pressed again, over restarts too"

    def _do(self, command: Coroutine[None, None, str]) -> None:
        """Carry out a command while the screen goes on, and say what came of it."""

        async def carry_out() -> None:
            try:
                self.link.check()
                self.say(await command)
            except (CommandRefused, NoDaemon) as error:
                self.say(trouble(error), failed=True)
            finally:
                command.close()  # one that was never begun

        self.run_worker(carry_out(), name="command")

    # ------------------------------------------------------------ the filter, and the end

    def action_filter(self) -> None:
        """Type what is to be shown."""
        self.screen.add_class("-filtering")
        self.screen.set_focus(self.query_one("#filter", Input))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Each letter filters."""
        if event.input.id == "filter":
            self._wanted = event.value.strip()
            self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter is kept."""
        if event.input.id == "filter":
            self._close_filter()

    def action_all(self) -> None:
        """Show all jobs again."""
        self.query_one("#filter", Input).value = ""
        self._close_filter()
        self.say("")

    def _close_filter(self) -> None:
        self.screen.remove_class("-filtering")
        self.screen.set_focus(None)

    def action_redraw(self) -> None:
        """For a screen that something else wrote on."""
        self.refresh(repaint=True, layout=True)

    def action_leave(self) -> None:
        """End."""
        self.exit(DONE)

    def action_interrupt(self) -> None:
        """End, whatever is in front, as Ctrl-C ends other commands."""
        self.exit(INTERRUPTED)


def _moved(before: JobView, result: BoostResult) -> str:
    was = "" if result.job.priority == before.priority else f" (was {before.priority})"
    return f"{before.id} has priority {result.job.priority}{was}, place {result.position} in the queue"

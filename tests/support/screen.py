"""`rushes top` in this process, with somebody at its keys who reads the screen: Textual's pilot."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from textual import events
from textual.pilot import Pilot

from cli.top.app import Top
from cli.top.questions import Question
from tests.support.wire import PATIENCE

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 0.02


class Screen:
    """What is on the screen, and the keys."""

    def __init__(self, app: Top, pilot: Pilot[Exception | int]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        """All of the screen that is in front."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    def line(self, part: str) -> str:
        """The first line with that in it; empty where there is none."""
        return next((line.strip() for line in self.text.splitlines() if part in line), "")

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    async def type(self, words: str) -> None:
        """As if pasted: a terminal gives it to the focused field in one piece."""
        self.app.screen.post_message(events.Paste(words))
        await self.pause()

    async def pause(self) -> None:
        """Until what was given has been dealt with."""
        await self._pilot.pause()

    async def until(self, look: Callable[[], T], what: str) -> T:
        """What `look` gives once it gives something true."""
        end = time.monotonic() + PATIENCE
        while not (found := look()):
            assert time.monotonic() < end, f"not within {PATIENCE} s: {what}; the screen:\n{self.text}"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return found

    async def reads(self, *parts: str) -> str:
        """Wait until one line has all that in it; the line."""

        def look() -> str:
            fits = (line for line in self.text.splitlines() if all(part in line for part in parts))
            return next(fits, "").strip()

        return await self.until(look, f"{parts} are read in one line")

    async def choose(self, job_id: str) -> None:
        """Go down to a job, from the top again where the list has changed meanwhile."""
        await self.until(lambda: job_id[:8] in self.text, f"job {job_id} is listed")
        end = time.monotonic() + PATIENCE
        while (chosen := self.app.chosen) is None or chosen.id != job_id:
            assert time.monotonic() < end, f"job {job_id} cannot be chosen:\n{self.text}"
            await self.press("down")
            if self.app.chosen == chosen:
                await self.press("home")

    @property
    def asks(self) -> bool:
        """True while a dialog is open."""
        return isinstance(self.app.screen, Question)


@asynccontextmanager
async def piloted(app: Top, size: tuple[int, int]) -> AsyncIterator[Screen]:
    """That application, and its end as a person's key ends it: the pilot would take away what it still draws on."""
    async with app.run_test(size=size) as pilot:
        screen = Screen(app, pilot)
        try:
            yield screen
        finally:
            app.exit()
            await screen.until(lambda: not app.is_running, "the application ends")


@asynccontextmanager
async def watching(bus: str, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Screen]:
    """The screen, once it shows the daemon."""
    app = Top(bus)
    async with piloted(app, size) as screen:
        await screen.reads("Rushes ", "pid ")
        yield screen
        assert app.return_value is None, f"it ended by itself: {app.return_value!r}"

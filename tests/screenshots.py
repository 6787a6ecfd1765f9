"""The pictures in the README, of real sessions: `python -m tests.screenshots FOLDER`, or `make screenshots`."""

import asyncio
import io
import re
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.top.app import Top
from cli.top.banner import Disk
from tests.support.daemon import Daemon, serving
from tests.support.jobs import quick
from tests.support.screen import piloted
from tests.support.shell import Shell

SIZE = (100, 28)

COLUMNS = 110
"""Of a tail: each line is cut to fit."""

FOREIGN_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""What textual would have a picture fetch from elsewhere; without it, it is set in the reader's own."""

FAR = 0.6
"""How far the first job is when the picture is taken."""


class Portrait(Top):
    """The real one, but for the names of the folders: a test's are nobody's."""

    def _take_disks(self, disks: list[Disk]) -> None:
        super()._take_disks([disk._replace(folder="/renders") for disk in disks])


def paced(daemon: Daemon, name: str, seconds: float, pace: float, *files: str, **more: Any) -> str:
    """A job that renders so many seconds of film, `pace` times as fast as they last; its id."""
    source = {
        "path": f"testsrc2=size=320x180:rate=25:duration={seconds}",
        "args": ["-readrate", str(pace), "-f", "lavfi"],
    }
    outputs = [{"path": str(daemon.out / file), "args": ["-t", str(seconds), "-c:v", "mpeg4"]} for file in files]
    return str(daemon.submit({"name": name, "inputs": [source], "outputs": outputs, **more})["id"])


def fill(daemon: Daemon) -> str:
    """Give the daemon a day's work; the id of the job that is to be far."""
    for name in ("Intro", "Credits", "Slate"):
        daemon.finish(quick(daemon.out / f"{name.lower()}.mp4", name=name))
    master = quick(daemon.out / "master.mov", name="Archive master")
    master["outputs"][0]["args"] = ["-c:v", "libx266"]
    daemon.finish(master)
    wrong = paced(daemon, "Interview, take 3", 600, 1, "take3.mp4")
    daemon.result("cancel", job_id=wrong, reason="wrong LUT", wait=30)
    film = paced(daemon, "Feature film, reel 4", 40, 2.5, "reel4.mov", "reel4-proxy.mp4")
    paced(daemon, "Trailer", 120, 2, "trailer.mp4")
    paced(daemon, "Dailies, card 7", 900, 4, "card7.mp4")
    for card in range(8, 13):
        paced(daemon, f"Dailies, card {card}", 60, 1, f"card{card}.mp4", session="dailies")
    promo = paced(daemon, "Promo for the morning show", 60, 1, "promo.mp4", priority=5)
    daemon.result("boost", job_id=promo, front=True)
    return film


def is_far(app: Top, job_id: str) -> bool:
    """True once that job is as far as the picture shall show it."""
    job = app.model.running.get(job_id)
    return job is not None and (job.progress or 0) > FAR


async def portray(daemon: Daemon, film: str, path: Path) -> None:
    """Watch until the film is far, and take the picture."""
    app = Portrait(daemon.bus)
    async with piloted(app, SIZE) as screen:
        await screen.reads("pid")
        app._address = "ipc:///run/user/1000/rushes"
        await screen.until(lambda: is_far(app, film), "the film is far")
        await screen.reads("/renders has")
        await screen.choose(film)
        await screen.pause()
        path.write_text(FOREIGN_FONTS.sub("", app.export_screenshot(title="rushes top")))


def portray_tail(daemon: Daemon, path: Path) -> None:
    """What a terminal shows of the last events."""
    command = ["tail", "--no-follow", "-n", "28"]
    with Shell(daemon.bus, daemon.out).terminal(*command, columns=COLUMNS) as terminal:
        assert terminal.ended() == 0
        shown = terminal.shown
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi("$ rushes tail\n" + shown.replace("\r", "")))
    path.write_text(FOREIGN_FONTS.sub("", console.export_svg(title="rushes tail")))


def main(folder: str) -> None:
    """Take all pictures."""
    with serving(slots=3, grace=0.3) as daemon:
        asyncio.run(portray(daemon, fill(daemon), Path(folder) / "top.svg"))
        portray_tail(daemon, Path(folder) / "tail.svg")
        daemon.clear()


if __name__ == "__main__":
    main(*sys.argv[1:])

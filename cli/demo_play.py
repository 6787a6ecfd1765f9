"""The demo's play: what a user does over the bus, in some twenty seconds."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bus.client import Client
from bus.errors import NotFound
from bus.messages import BoostResult, CancelResult, DeleteResult, Event, JobView
from bus.request import ENDED
from cli import text
from cli.lines import display
from cli.output import say

CLIP_SECONDS = 20

LONG_SECONDS = 8
"""The long job reads its input in real time, so that it takes this long on any machine."""

HALF = 0.5

PATIENCE_SECONDS = 60.0
"""For any one thing that the play waits for; each takes a few seconds."""

SIZES = {"720p": (1280, 720), "480p": (854, 480), "240p": (426, 240)}
"""The renditions, by name."""

VIDEO = ("-c:v", "mpeg4", "-q:v", "6")
AUDIO = ("-c:a", "aac")
"""Encoders that every FFmpeg has built in."""


class Play:
    """What was done, what came of it, and what was heard. `jobs` are the latest views, by the demo's own names."""

    boosted: BoostResult
    cancelled: CancelResult
    deleted: DeleteResult
    group: int | None
    """The process group of the long job's FFmpeg, before it was cancelled."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.folder = folder
        self.jobs: dict[str, JobView] = {}
        self.heard: list[Event] = []
        self.ephemeral = 0
        self._client = client
        self._stream = client.events(since=0, ephemeral=True)

    # ------------------------------------------------------------ what the user does

    def perform(self) -> None:
        """All of it, in order."""
        say("A clip is made: a job whose inputs are filter graphs.")
        with display() as self._show:
            self._make_clip()
        say("A job with three renditions and a proxy take the slots, and three more wait.")
        say("The last of them, long, is boosted past the others and cancelled half way.")
        with display() as self._show:
            self._fill_the_queue()
            self.boosted = self._client.boost(self.jobs["long"].id, front=True)
            self._cancel_half_way()
            self._hear_until(lambda: all(map(self._has_ended, self.jobs)))
        say("The proxy is deleted, and its file with it.")
        self.deleted = self._client.delete(self.jobs["proxy"].id, wait=PATIENCE_SECONDS)
        self._hear_until(lambda: any(event.type == "job.deleted" for event in self.heard))
        self._stream.close()

    def _make_clip(self) -> None:
        graphs = ("testsrc2=size=1280x720:rate=30", "sine=frequency=440")
        inputs = [{"path": graph, "args": ["-f", "lavfi"]} for graph in graphs]
        self._submit("clip", inputs, {"clip.mp4": ["-t", str(CLIP_SECONDS), *VIDEO, *AUDIO]})
        self._hear_until(lambda: self._has_ended("clip"))

    def _fill_the_queue(self) -> None:
        scaled = {f"{name}.mp4": ["-vf", f"scale={w}:{h}", *VIDEO, *AUDIO] for name, (w, h) in SIZES.items()}
        self._submit("renditions", [self._clip()], scaled)
        paced = "scale=320:-2,realtime=speed=10"  # the option -readrate is younger than some FFmpegs
        self._submit("proxy", [self._clip()], {"proxy.mp4": ["-vf", paced, *VIDEO, "-an"]})
        self._submit("sound", [self._clip()], {"sound.wav": ["-vn"]})
        self._submit("broken", [self._clip()], {"broken.mp4": ["-c:v", "no_such_encoder"]})
        self._submit("long", [self._clip("-re")], {"long.mp4": ["-t", str(LONG_SECONDS), *VIDEO, *AUDIO]})

    def _cancel_half_way(self) -> None:
        job_id = self.jobs["long"].id
        self._hear_until(lambda: (self.jobs["long"].progress or 0) >= HALF)
        self.group = process_group(job_id)
        self.cancelled = self._client.cancel(job_id, reason="demo", wait=PATIENCE_SECONDS)

    def _submit(self, name: str, inputs: list[dict[str, Any]], outputs: dict[str, list[str]]) -> None:
        made = [{"path": str(self.folder / file), "args": args} for file, args in outputs.items()]
        job = self._client.submit({"name": name, "session": "demo", "inputs": inputs, "outputs": made}).job
        self.jobs[name] = job
        self._show(job)

    def _clip(self, *args: str) -> dict[str, Any]:
        return {"path": str(self.folder / "clip.mp4"), "args": args}

    # ------------------------------------------------------------ what the user hears

    def _has_ended(self, name: str) -> bool:
        return self.jobs[name].status in ENDED

    def _hear_until(self, enough: Callable[[], bool]) -> None:
        """Take events, and look at the job that each is about, until there is enough.

        Raises:
            TimeoutError: it did not come to that.

        """
        end = time.monotonic() + PATIENCE_SECONDS
        while not enough():
            if time.monotonic() > end:
                raise TimeoutError(f"the demo waited {text.span(PATIENCE_SECONDS)} for something that did not come")
            event = self._stream.next(1.0)
            if event is not None:
                self._take(event)

    def _take(self, event: Event) -> None:
        if event.seq is None:
            self.ephemeral += 1
        else:
            self.heard.append(event)
        for name, job in self.jobs.items():
            if job.id == event.job_id:
                try:
                    found = self._client.get(job.id).job
                except NotFound:
                    return  # deleted: its last view stays
                if found != job:
                    self.jobs[name] = found
                    self._show(found)
                return


def process_group(job_id: str) -> int | None:
    """The process group of the FFmpeg that renders a job now: its argv names a partial file, which has the job's id."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if f".rushes-{job_id}".encode() in (folder / "cmdline").read_bytes():
                    return os.getpgid(int(folder.name))
            except OSError:
                continue  # it ended meanwhile
    return None

"""The demo's play: what a user does over the bus, in one act of some twenty seconds."""

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bus.client import ENDED, Client
from bus.errors import NotFound
from bus.messages import CancelResult, DeleteResult, Event, JobView
from cli.lines import Show
from cli.output import say

CLIP_SECONDS = 20
PATIENCE_SECONDS = 60.0
"""For any one thing that the play waits for; each takes a few seconds."""

LONG_SECONDS = 8
"""The long job reads its input in real time, so that it takes this long on any machine."""

SIZES = {"720p": (1280, 720), "480p": (854, 480), "240p": (426, 240)}
"""The renditions, by name."""

VIDEO = ["-c:v", "mpeg4", "-q:v", "6"]
AUDIO = ["-c:a", "aac"]
"""Encoders that every FFmpeg has built in."""


class Play:
    """What was done and what was heard. `views` are the jobs' latest, by id; the rest is for the checks."""

    def __init__(self, client: Client, folder: Path, show: Show) -> None:
        self._client = client
        self._folder = folder
        self._show = show
        self._stream = client.events(since=0, ephemeral=True)
        self.views: dict[str, JobView] = {}
        self.heard: list[Event] = []
        self.progress_heard = 0

    # ------------------------------------------------------------ the act

    def perform(self) -> None:
        """Everything, from the first clip to the deletion."""
        say("A clip is made, by a job that has a filter graph for an input.")
        self.clip = self._submit("clip", inputs=[_lavfi(f"testsrc2=size=1280x720:rate=30:duration={CLIP_SECONDS}"), _lavfi(f"sine=frequency=440:duration={CLIP_SECONDS}")], outputs=[self._output("clip.mp4", *VIDEO, *AUDIO)])

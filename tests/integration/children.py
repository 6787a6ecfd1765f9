"""Small shell scripts in FFmpeg's place: what they say once they are ready, and how long they run."""

import select
from collections.abc import Callable
from pathlib import Path

from actors.ffmpeg.child import Child
from tests.support.wire import PATIENCE

Spawn = Callable[[str], Child]

PARTIAL = Path("/nowhere/.rushes-job-0-1.mp4")

READY = "echo >ready; "
"""What a script says once it has set itself up: the shim has made the workspace its working folder."""

READY_ELSEWHERE = "echo >{}/ready; "

FOR_EVER = "while :; do sleep 1000 & wait $!; done"


def await_ready(child: Child) -> None:
    """Wait until the script says that it is ready."""
    (child.workspace.folder / "ready").read_bytes()


def await_end(child: Child) -> None:
    """Wait until the shim has ended."""
    poll = select.poll()
    poll.register(child.pidfd, select.POLLIN)
    assert poll.poll(PATIENCE * 1000), "the child does not end"

"""A job that renders for as long as a test needs it to, however long that is on a busy machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.daemon import Daemon
from tests.support.fakes import tempered

SECONDS = 1
"""Of film in its output."""

FRAMES = bytes(10 * SECONDS * 64 * 36)
"""All of them, grey; less than a pipe holds."""


@contextmanager
def fed(daemon: Daemon, name: str, temper: str | None = None, **more: Any) -> Iterator[str]:
    """A job of a second's film whose input does not end before the block does; its id once FFmpeg is there.

    Whoever renders it once more after the block finds its input in a file.
    """
    source = daemon.base / name
    os.mkfifo(source)
    feed = os.open(source, os.O_RDWR)
    try:
        args = ["-f", "rawvideo", "-pixel_format", "gray", "-video_size", "64x36", "-framerate", "10"]
        output = {"path": str(daemon.out / f"{name}.mp4"), "args": ["-c:v", "mpeg4"]}
        job = {"inputs": [{"path": str(source), "args": args}], "outputs": [output], **more}
        job_id = daemon.rendering(tempered(job, temper) if temper else job)
        os.write(feed, FRAMES)
        yield job_id
    finally:
        whole = source.with_suffix(".whole")
        whole.write_bytes(FRAMES)
        whole.rename(source)
        os.close(feed)

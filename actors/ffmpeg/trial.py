"""What an FFmpeg can do, tried before a job needs it."""

import re
import subprocess
from collections.abc import Sequence

from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import SHELL, environment

ENCODER = re.compile(r"^ [VAS][F.][S.][X.][B.][D.] (\S+)", re.MULTILINE)
"""A line of `ffmpeg -encoders`: six flags and the name."""

SECONDS_OF_VIDEO = 0.5

SECONDS = 10
"""For anything that is tried, which takes a third of a second at the most."""

SAID_CHARS = 200
"""Of FFmpeg's last words: a line of a terminal or two."""


class CannotEncode(Exception):
    """It did not encode; the message is what it said."""


def encoders(ffmpeg: FFmpeg) -> frozenset[str]:
    """The encoders that were built into it; none where it does not say."""
    try:
        said = _run([ffmpeg.path, "-hide_banner", "-encoders"]).stdout
    except subprocess.TimeoutExpired:
        return frozenset()
    return frozenset(ENCODER.findall(said.decode(errors="replace")))


def encode(ffmpeg: FFmpeg, encoder: str) -> int:
    """Encode half a second of video, to nowhere, as a job would with its niceness and limits; the bytes that it makes.

    Raises:
        CannotEncode: it ended with another status than 0, made nothing, or hung.

    """
    picture = ["-f", "lavfi", "-i", f"testsrc=size=128x72:rate=25:duration={SECONDS_OF_VIDEO}"]
    words = ["-hide_banner", "-nostdin", "-loglevel", "error", *picture, "-c:v", encoder, "-f", "matroska", "pipe:1"]
    try:
        done = _run([*ffmpeg.wrapper, ffmpeg.path, *words])
    except subprocess.TimeoutExpired:
        raise CannotEncode(f"it did not end within {SECONDS} s") from None
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise CannotEncode(f"it ended with {done.returncode} and said: {said[-1][:SAID_CHARS]}")
    return len(done.stdout)


def shell_works() -> bool:
    """True where the shell that FFmpeg runs under is there and does as it is told."""
    try:
        return _run([SHELL, "-c", "trap : TERM; exit 7"]).returncode == 7
    except subprocess.TimeoutExpired:
        return False


def _run(words: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    """Raises OSError, and `TimeoutExpired`, when it has been killed."""
    return subprocess.run(  # noqa: S603 # no shell
        words, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False, env=environment()
    )

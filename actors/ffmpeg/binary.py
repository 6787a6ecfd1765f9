"""Which FFmpeg is used, and whether it runs."""

import os
import re
import shutil
import subprocess
from typing import NamedTuple

CHECK_SECONDS = 10
"""For `ffmpeg -version`, which takes 15 ms; a cold network mount may take seconds."""


VERSION = re.compile(r"n?(\d+)\.(\d+)")


class FFmpegMissing(Exception):
    """No FFmpeg that runs; the message says what to do."""


class FFmpeg(NamedTuple):
    """An FFmpeg that was seen to run."""

    path: str
    version: str
    wrapper: tuple[str, ...] = ()
    """What stands before it where it encodes."""

    @property
    def has_stats_period(self) -> bool:
        """True from 4.4 on. A version without a number is a build of the development line, and newer."""
        number = VERSION.match(self.version)
        return number is None or (int(number[1]), int(number[2])) >= (4, 4)


def find(wanted: str | None) -> FFmpeg:
    """The FFmpeg to use: `wanted`, else the one on PATH, else the one in the imageio-ffmpeg wheel.

    Raises:
        FFmpegMissing: there is none, or it does not run.

    """
    if wanted:
        path = shutil.which(wanted)
        if path is None:
            raise FFmpegMissing(f"{wanted} is no program that can be run; check --ffmpeg or RUSHES_FFMPEG")
        return _check(os.path.abspath(path))  # noqa: PTH100 # links stay; children work in other folders
    path = shutil.which("ffmpeg")
    return _check(os.path.abspath(path) if path else _bundled())  # noqa: PTH100 # as above


def _bundled() -> str:
    try:
        import imageio_ffmpeg  # noqa: PLC0415 # 30 ms that only a machine without FFmpeg pays

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise FFmpegMissing(
            f"no ffmpeg on PATH and none in imageio-ffmpeg ({error}); install FFmpeg, or name one with --ffmpeg"
        ) from None


def _check(path: str) -> FFmpeg:
    try:
        done = subprocess.run(  # noqa: S603 # the operator's own choice of program, without a shell
            [path, "-version"], capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise FFmpegMissing(f"{path} -version did not end within {CHECK_SECONDS} s; run it by hand") from None
    except OSError as error:
        raise FFmpegMissing(f"{path} does not run: {error}") from None
    first = done.stdout.partition("\n")[0]
    if done.returncode != 0 or not first.startswith("ffmpeg version "):
        said = (done.stderr or done.stdout).strip().partition("\n")[0][:200]
        raise FFmpegMissing(f"{path} -version ended with {done.returncode} and is no FFmpeg: {said!r}")
    return FFmpeg(path, first.split()[2])

"""Clips made with the real FFmpeg, and what is found in a file when FFmpeg opens it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

DURATION = re.compile(r"Duration: (\d+):(\d+):([\d.]+)")
VIDEO = re.compile(r"Stream #.*: Video: (?P<codec>\w+).*? (?P<width>\d{2,})x(?P<height>\d{2,}).*?(?P<fps>[\d.]+) fps")
AUDIO = re.compile(r"Stream #.*: Audio: (\w+)")


def find_ffmpeg() -> Path:
    """The FFmpeg that the daemon would find: on PATH, else in the wheel."""
    return Path(shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe())


class Media(NamedTuple):
    """What FFmpeg says of a file."""

    duration: float
    video: str | None
    width: int
    height: int
    fps: float
    audio: str | None


class Clips:
    """Makes clips on first use and keeps them, each under a name that says what it is."""

    def __init__(self, ffmpeg: Path, folder: Path) -> None:
        self.ffmpeg = ffmpeg
        self._folder = folder

    def clip(self, seconds: float = 1, *, size: str = "320x180", rate: int = 25, sound: bool = True) -> Path:
        """A moving test picture, with a tone unless it shall be silent; the index stands at the front."""
        path = self._folder / f"{seconds}s-{size}-{rate}fps{'-tone' if sound else ''}.mp4"
        if not path.exists():
            picture = ["-f", "lavfi", "-i", f"testsrc=size={size}:rate={rate}:duration={seconds}"]
            tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}", "-c:a", "aac"] if sound else []
            codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
            self._run(*picture, *tone, *codec, "-movflags", "+faststart", str(path))
        return path

    def cut_short(self) -> Path:
        """A clip of which the second half is missing, as a broken upload leaves it; its index is whole."""
        path = self._folder / "cut-short.mp4"
        if not path.exists():
            whole = self.clip(4).read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        return path

    def probe(self, path: Path) -> Media:
        """What a file holds; it must open."""
        said = subprocess.run(
            [self.ffmpeg, "-hide_banner", "-i", f"file:{path}"], capture_output=True, text=True, check=False
        ).stderr
        found = DURATION.search(said)
        assert found, f"{path} is not media: {said}"
        hours, minutes, seconds = found.groups()
        video, audio = VIDEO.search(said), AUDIO.search(said)
        return Media(
            duration=int(hours) * 3600 + int(minutes) * 60 + float(seconds),
            video=video["codec"] if video else None,
            width=int(video["width"]) if video else 0,
            height=int(video["height"]) if video else 0,
            fps=float(video["fps"]) if video else 0,
            audio=audio[1] if audio else None,
        )

    def decodes(self, path: Path) -> bool:
        """True where the whole file decodes without an error."""
        run = subprocess.run(
            [self.ffmpeg, "-v", "error", "-xerror", "-i", f"file:{path}", "-f", "null", "-"],
            capture_output=True, check=False,
        )  # fmt: skip
        return run.returncode == 0 and not run.stderr

    def _run(self, *args: str) -> None:
        subprocess.run([self.ffmpeg, "-nostdin", "-v", "error", *args], check=True)

"""What FFmpeg says of its inputs and its output on stderr before it begins. Pure.

FFmpeg indents: a header begins a line, its `Duration` follows two spaces, a stream two (four before FFmpeg 5), and
metadata is `key : value`. So a title that reads like a duration or a stream is not taken for one.
"""

import re
from collections import Counter
from typing import NamedTuple

HEADER = re.compile(r"^(Input|Output) #(\d+), ", re.MULTILINE)
DURATION = re.compile(r"^  Duration: (?:(\d+):(\d\d):(\d\d(?:\.\d+)?)|N/A)", re.MULTILINE)
STREAM = re.compile(
    r"^ {2,4}Stream #\d+:\d+\S*(?:\[\S+\])?(?:\(\S*\))?: (Video|Audio|Subtitle|Data|Attachment): (.*)$",
    re.MULTILINE,
)
SIZE = re.compile(r"(?:^|[ ,])(\d{1,6})x(\d{1,6})(?=[ ,\[]|$)")
RATE = re.compile(r"(?:^|, )(\d+(?:\.\d+)?)(k?) fps")
GUESSED = "Estimating duration from bitrate"
"""FFmpeg's own word that a duration is a guess: for MP3 without a header and raw AAC it may be off tenfold."""

BEGINS = re.compile(r"^(Stream mapping:|Press \[q\])", re.MULTILINE)


FINISHING = "Starting second pass: moving the moov atom"
"""What the mov muxer says when it begins to move the index to the front (libavformat/movenc.c): from there neither
FFmpeg's clock nor the file grows, for as long as it takes to copy the file."""


class Stream(NamedTuple):
    """One stream. Pixels; frames a second; all None but for video."""

    kind: str
    width: int | None
    height: int | None
    fps: float | None


class Section(NamedTuple):
    """One `Input #n` or `Output #n`. `duration` is seconds, None where FFmpeg does not know it."""

    is_output: bool
    duration: float | None
    streams: list[Stream]

    def kinds(self) -> Counter[str]:
        """How many streams there are of each kind that has a length."""
        return Counter(stream.kind for stream in self.streams if stream.kind != "Attachment")

    @property
    def video(self) -> Stream | None:
        """The first video stream."""
        return next((stream for stream in self.streams if stream.kind == "Video"), None)


def sections(text: str) -> list[Section]:
    """Every input and output that FFmpeg has described so far, in its order."""
    found = list(HEADER.finditer(text))
    starts = [match.start() for match in found]
    ends = [*starts[1:], len(text)]
    return [_section(match[1] == "Output", text[match.start() : end]) for match, end in zip(found, ends, strict=False)]


def input_durations(text: str) -> list[float | None] | None:
    """Each input's duration in seconds, in order; None while FFmpeg has not got past its inputs.

    A duration that FFmpeg calls a guess is none.
    """
    if BEGINS.search(text) is None:
        return None
    described = inputs(text)
    return [None] * len(described) if GUESSED in text else [section.duration for section in described]


def inputs(text: str) -> list[Section]:
    """The inputs that FFmpeg has described so far."""
    return [section for section in sections(text) if not section.is_output]


def output_section(text: str) -> Section | None:
    """What FFmpeg said it would write."""
    return next((section for section in sections(text) if section.is_output), None)


def _section(is_output: bool, text: str) -> Section:
    durations = DURATION.findall(text)
    hours, minutes, rest = durations[-1] if durations else ("", "", "")
    duration = int(hours) * 3600 + int(minutes) * 60 + float(rest) if rest else None
    return Section(is_output, duration, [_stream(kind, said) for kind, said in STREAM.findall(text)])


def _stream(kind: str, said: str) -> Stream:
    if kind != "Video":
        return Stream(kind, None, None, None)
    size, rate = SIZE.search(said), RATE.search(said)
    return Stream(
        kind,
        int(size[1]) if size else None,
        int(size[2]) if size else None,
        float(rate[1]) * (1000 if rate[2] else 1) if rate else None,
    )

"""FFmpeg's argv for one output, and the duration it should have. Pure."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from actors.ffmpeg.arguments import Option, check, value_of
from actors.ffmpeg.binary import FFmpeg
from bus import messages as m

STATS_PERIOD = "0.1"
"""Seconds between two looks of FFmpeg (from 7 on) at its stdin: `q` is heard after 0.15 s; with its own 0.5, 0.38."""

PARTIAL_PREFIX = ".rushes-"
"""How every file begins that is not yet an output: hidden, and told from everything that is not ours."""

CHANGES_LENGTH = frozenset({
    "bsf", "filter_complex", "lavfi", "filter_script", "filter_complex_script", "frames", "vframes", "aframes",
    "dframes", "fs", "shortest", "stream_loop", "itsscale", "itsoffset", "loop", "sseof", "update", "timelimit",
    "ignore_loop",
})  # fmt: skip
"""Options after which an output need not be nearly as long as its input."""

CHOOSES_STREAMS = frozenset({"map", "vn", "an", "sn", "dn"})
"""Options after which the longest stream may be left out: good enough for a progress bar, no proof."""

KEEPS_LENGTH = re.compile(
    r"(scale|fps|format|crop|pad|yadif|bwdif|hflip|vflip|transpose|rotate|eq|hue|unsharp|setsar|setdar|drawtext|"
    r"drawbox|null|anull|volume|loudnorm|aresample|aformat|pan|dynaudnorm|highpass|lowpass|equalizer|lut3d|curves|"
    r"hqdn3d|nlmeans|gblur|boxblur|subtitles|ass|setparams|colorspace|zscale|tonemap)(@\w+)?(=|\Z)"
)
"""Filters that take time as it comes."""

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".tga", ".ppm", ".pgm", ".jp2")
LITERAL_INPUT = ["-f", "image2", "-pattern_type", "none"]
LITERAL_OUTPUT = ["-update", "1"]
"""How FFmpeg is told that a % in a picture's path is a %. Source: ffmpeg-formats(1), "image2"."""

CLOCK = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?|\.\d+)\Z")
FILTERS = frozenset({"vf", "af", "filter"})

NOT_PLAIN = re.compile(r"['\\\[;]")
"""What a filter graph has that is more than one chain of filters, or hides what divides it."""

SAME_LENGTH = 0.02
"""Inputs whose lengths differ by less are taken to belong together; a last audio frame is longer than a video frame."""

UNITS = {"ms": 1e-3, "us": 1e-6, "s": 1.0}


def partial_path(path: str, job_id: str, index: int, run: int) -> str:
    """Where the output is made: in its own folder, so that a rename is enough; its suffix tells FFmpeg the format.

    Each start of the job has a name of its own, so that no earlier one can ever write into it.
    """
    target = PurePosixPath(path)
    return str(target.with_name(partial_name(job_id, index, run, suffix_of(target.name))))


def suffix_of(name: str) -> str:
    """What tells FFmpeg the format of a file of that name: from its last dot on; none of a name that begins there."""
    dot = name.rfind(".")
    return name[dot:] if 0 < dot < len(name) - 1 else ""


def partial_name(job_id: str, index: int, run: int, suffix: str) -> str:
    """The name of an unfinished file, of which `suffix` is the output's."""
    return f"{PARTIAL_PREFIX}{job_id}-{index}-{run}{suffix}"


def argv(ffmpeg: FFmpeg, spec: m.JobSpec, index: int, partial: str, progress: str) -> list[str]:
    """The command that makes one output.

    `-nostats` keeps FFmpeg's own progress line out of the log; `-y` is safe because `partial` is ours alone.
    """
    command = [*ffmpeg.wrapper, ffmpeg.path, "-hide_banner", "-nostats", "-y", "-progress", f"file:{progress}"]
    if ffmpeg.has_stats_period:
        command += ["-stats_period", STATS_PERIOD]
    for source in spec.inputs_of(index):
        literal = LITERAL_INPUT if _is_pattern(source.path, source.args) else []
        command += [*literal, *source.args, "-i", source.path]
    wanted = spec.outputs[index]
    literal = LITERAL_OUTPUT if _is_pattern(partial, wanted.args) else []
    return [*command, *literal, *wanted.args, partial]


def _is_pattern(path: str, args: Sequence[str]) -> bool:
    """True where FFmpeg would take a picture's name with a % for a numbered sequence."""
    return "%" in path and path.lower().endswith(PICTURES) and "-f" not in args


def probe_argv(ffmpeg: str, path: str) -> list[str]:
    """The command that reads a file's header and says on stderr what is in it."""
    literal = LITERAL_INPUT if _is_pattern(path, ()) else []
    return [ffmpeg, "-hide_banner", "-nostdin", *literal, "-i", path]


def seconds(text: str | None) -> float | None:
    """An FFmpeg time duration (`[[HH:]MM:]SS[.m]` or a number with s, ms or us) in seconds; None where it is none.

    Source: ffmpeg-utils(1), "Time duration".
    """
    if text is None:
        return None
    for unit, factor in UNITS.items():
        number = text.removesuffix(unit)
        if number != text and re.fullmatch(r"\d+(\.\d*)?", number):
            return float(number) * factor
    clock = CLOCK.match(text)
    if clock is None:
        return None
    hours, minutes, rest = clock.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)


def accepts_damage(spec: m.JobSpec, index: int) -> bool:
    """True where the arguments of an output's inputs tell FFmpeg to go on over errors."""
    return any(
        (option.name == "err_detect" and "ignore_err" in (option.value or ""))
        or (option.name == "fflags" and "discardcorrupt" in (option.value or ""))
        for source in spec.inputs_of(index)
        for option in check(source.args, of_output=False)
    )


class Length(NamedTuple):
    """How long an output should be, in seconds.

    `proof`: an output that is shorter is not whole. `stated`: the job says so itself; neither is one that is longer.
    """

    seconds: float
    proof: bool
    stated: bool = False


def expected_length(spec: m.JobSpec, index: int, durations: Sequence[float | None]) -> Length | None:
    """How long the output should be, None where that cannot be said honestly.

    Args:
        spec: the job.
        index: which output.
        durations: what FFmpeg found each input's to be, in seconds; None where it does not know.

    """
    stated = spec.outputs[index].expect_duration
    if stated is not None:
        return Length(stated, proof=True, stated=True)
    inputs = spec.inputs_of(index)
    if len(durations) != len(inputs):
        return None
    found = [check(source.args, of_output=False) for source in inputs]
    output = check(spec.outputs[index].args, of_output=True)
    if any(_changes_length(options) for options in (*found, output)):
        return None
    if any(option.name == "r" for options in found for option in options):
        return None  # on an input it says how fast the frames it has are to be taken
    known = [
        _cut(options, _graph_seconds(source, options) if duration is None else duration)
        for source, options, duration in zip(inputs, found, durations, strict=True)
    ]
    length = _cut(output, _common(known))
    if length is None:
        return None
    # A `-t` is only a bound, and a graph's word is taken, not checked: what has no known end may end before it.
    proof = all(duration is not None for duration in durations)
    seeks_in_copy = value_of(output, "ss") is not None and "copy" in {option.value for option in output}
    return Length(length, proof and not seeks_in_copy and not any(o.name in CHOOSES_STREAMS for o in output))


def _graph_seconds(source: m.Input, found: Sequence[Option]) -> float | None:
    """How long a filter graph is by its own word, as in `testsrc=duration=5,hflip`: FFmpeg itself cannot say it.

    Only of a single chain without quotes, in which all but the source takes time as it comes.
    """
    if value_of(found, "f") != "lavfi" or NOT_PLAIN.search(source.path):
        return None
    first, *filters = source.path.split(",")
    if not all(KEEPS_LENGTH.match(step.strip()) for step in filters):
        return None
    options = (option.partition("=") for option in first.partition("=")[2].split(":"))
    stated = [value for name, _, value in options if name.strip() in ("duration", "d")]
    return seconds(stated[-1]) or None if stated else None  # 0 is no end, to some sources


def _common(lengths: Sequence[float | None]) -> float | None:
    """The length of several inputs that agree: which of them decides is for FFmpeg to know."""
    known = [length for length in lengths if length is not None]
    if not known or len(known) != len(lengths) or max(known) - min(known) > SAME_LENGTH * max(known):
        return None
    return max(known)


def _cut(found: Sequence[Option], whole: float | None) -> float | None:
    """What `-ss`, `-t` and `-to` leave of `whole` seconds; `-t` wins over `-to` as in FFmpeg."""
    start = seconds(value_of(found, "ss") or "0")
    if start is None:
        return None
    left = None if whole is None else max(0.0, whole - start)
    if (length := value_of(found, "t")) is not None:
        limit = seconds(length)
    elif (end := value_of(found, "to")) is not None:
        stop = seconds(end)
        limit = None if stop is None else max(0.0, stop - start)
    else:
        return left
    if limit is None:
        return None
    return limit if left is None else min(limit, left)


def _changes_length(found: Sequence[Option]) -> bool:
    for option in found:
        if option.name in CHANGES_LENGTH:
            return True
        if option.name in FILTERS:
            chain = re.split(r"(?<!\\)[,;]", option.value or "")
            if not all(KEEPS_LENGTH.match(step.strip()) for step in chain):
                return True
    return False

"""A job's own FFmpeg arguments, read as FFmpeg's command line parser reads them.

FFmpeg splits its command line into options, which take one value unless they are switches, and names, which are
files. Here the same split finds what would take the tool out of our hands: options that are ours, and a name where
there may be none. Source: `split_commandline` in fftools/cmdutils.c, and `ffmpeg -h full` of 4.4, 6.1 and 9.0.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

SWITCHES = frozenset({
    "y", "n", "stats", "report", "hide_banner", "ignore_unknown", "copy_unknown", "recast_media", "benchmark",
    "benchmark_all", "stdin", "dump", "hex", "copyts", "start_at_zero", "xerror", "auto_conversion_filters", "debug_ts",
    "vstats", "bitexact", "accurate_seek", "re", "find_stream_info", "shortest", "copyinkf",
    "display_hflip", "display_vflip", "vn", "an", "sn", "dn", "force_fps", "autorotate", "autoscale",
    "fix_sub_duration", "fix_sub_duration_heartbeat", "psnr", "qphist", "deinterlace", "intra", "print_graphs",
    "override_ffserver", "version", "buildconf", "formats", "muxers", "demuxers", "devices", "codecs",
    "decoders", "encoders", "bsfs", "protocols", "filters", "pix_fmts", "layouts", "sample_fmts", "dispositions",
    "colors", "hwaccels", "L", "license",
})  # fmt: skip
"""Options that take no value; each also has a form with `no` before it."""

OURS = {
    "y": "Rushes decides what is written over: `overwrite` in the job spec",
    "n": "Rushes decides what is written over: `overwrite` in the job spec",
    "stdin": "FFmpeg's stdin is how Rushes stops it",
    "progress": "Rushes reads FFmpeg's progress itself",
    "stats_period": "Rushes reads FFmpeg's progress itself",
    "report": "FFmpeg's stderr is kept by Rushes: `rushes log`",
    "loglevel": "FFmpeg's stderr tells a stop from an end, so its level stays as it is",
    "v": "FFmpeg's stderr tells a stop from an end, so its level stays as it is",
    "i": "inputs stand in `inputs`",
}
"""Options that a job may not set, and why."""

PRINTS_AND_ENDS = frozenset({
    "h", "?", "help", "-help", "license", "version",
    "buildconf", "formats", "muxers", "demuxers", "devices", "codecs", "decoders",
    "encoders", "bsfs", "protocols", "filters", "pix_fmts", "layouts", "sample_fmts", "dispositions", "colors",
    "hwaccels", "sources", "sinks", "L",
})  # fmt: skip
"""Options with which FFmpeg prints something and renders nothing."""

SEVERAL_FILES = frozenset({
    "segment", "stream_segment", "ssegment", "hls", "dash", "tee", "smoothstreaming", "webm_chunk",
    "webm_dash_manifest", "hds",
})  # fmt: skip
"""Muxers that write files beside the one that is named: an output is one file, proved and renamed as a whole."""


class Refused(ValueError):
    """An argument that a job may not have. `place` is its index in the arguments."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


class Option(NamedTuple):
    """One option: its bare name (no dash, no stream specifier), its value if it takes one, and its place."""

    name: str
    value: str | None
    place: int


def options(args: Sequence[str]) -> Iterator[Option]:
    """The options in `args`. Raises `Refused` at a word that FFmpeg would take for a file, or a missing value."""
    words = iter(enumerate(args))
    for index, word in words:
        if not word.startswith("-") or word == "-":
            raise Refused(index, f"{word!r} would be a further output file; each output has a place in `outputs`")
        if word == "--":
            raise Refused(index, "'--' would make the words after it output files")
        if word.startswith("--") and word[1:] not in PRINTS_AND_ENDS:
            raise Refused(index, f"{word!r} is no option of FFmpeg's; one of `rushes submit` stands before the --")
        name = word[1:].removeprefix("/").partition(":")[0]
        if name in SWITCHES or name.removeprefix("no") in SWITCHES:
            yield Option(name, None, index)
            continue
        following = next(words, None)
        if following is None:
            raise Refused(index, f"{word!r} needs a value after it")
        yield Option(name, following[1], index)


def check(args: Sequence[str], *, of_output: bool) -> list[Option]:
    """The options of one input or output, where a job may have them all. Raises `Refused`."""
    found = []
    for option in options(args):
        bare = option.name if option.name in OURS else option.name.removeprefix("no")
        if bare in OURS:
            raise Refused(option.place, f"-{option.name} is not for a job to set: {OURS[bare]}")
        if option.name in PRINTS_AND_ENDS:
            raise Refused(option.place, f"-{option.name} makes FFmpeg print something and render nothing")
        if of_output and option.name == "f" and option.value in SEVERAL_FILES:
            raise Refused(option.place, f"-f {option.value} writes several files; an output is one file")
        found.append(option)
    return found


def value_of(found: Sequence[Option], *names: str) -> str | None:
    """The value of the last option of one of these names, which is the one FFmpeg heeds."""
    values = [option.value for option in found if option.name in names]
    return values[-1] if values else None

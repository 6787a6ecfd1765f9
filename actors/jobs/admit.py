"""May this job be taken? Everything about a spec that the file system or FFmpeg would refuse later is refused here."""

import contextlib
import functools
import os
import re
import stat
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from actors.ffmpeg import arguments
from actors.ffmpeg.command import PARTIAL_PREFIX, partial_name, suffix_of
from actors.jobs.model import ID_CHARS, Output
from bus import messages as m
from bus.errors import Conflict, Invalid
from bus.limits import MAX_OUTPUTS

URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)

STDIN_SCHEMES = frozenset({"pipe", "fd"})
STDIN_FILES = frozenset({"/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
"""What would read FFmpeg's stdin, which is how Rushes stops it."""

SEVERAL_FILES = (".m3u8", ".mpd", ".ffconcat")
"""Suffixes for which FFmpeg chooses a muxer that writes files beside the one named."""

FOLDER_SECONDS = 2.0
"""How long it is remembered that a folder can be written: a thousand jobs for one folder need one trial."""

LONGEST_RUN = 10**9
"""A number of starts that no job reaches, in the name of a partial file."""

LONGEST_PARTIAL = len(partial_name("x" * ID_CHARS, MAX_OUTPUTS, LONGEST_RUN, ""))
"""Bytes of such a name without its suffix."""

MAX_PATH_BYTES = 4095
"""Linux' PATH_MAX without its closing NUL."""

MAX_NAME_BYTES = 255
"""Linux' NAME_MAX."""


class _Sources(NamedTuple):
    """What a job reads: the names of files, by device and inode, and those of patterns, without links."""

    files: defaultdict[tuple[int, int], list[str]]
    patterns: set[str]


class Admitted(NamedTuple):
    """A job that may be taken: its spec in FFmpeg's own words, and its outputs.

    `asked_as`: the index under which each output was asked for, where that is another.
    """

    spec: m.JobSpec
    outputs: list[Output]
    asked_as: Sequence[int] = ()


def admit(spec: m.JobSpec) -> list[Output]:
    """The outputs of a job that may be taken, so far as the spec and the file system tell.

    Raises:
        Invalid: `details["path"]` names the field.
        Conflict: an output exists that is not to be overwritten.

    """
    sources = _Sources(defaultdict(list), set())
    _check_inputs(spec.inputs, "job.inputs", sources)
    outputs: list[Output] = []
    found: list[os.stat_result | None] = []
    for index, wanted in enumerate(spec.outputs):
        at = f"job.outputs[{index}]"
        if wanted.inputs is not None:
            _check_inputs(wanted.inputs, f"{at}.inputs", sources)
        elif not spec.inputs:
            raise Invalid.at("job.inputs", f"{at} has no inputs of its own, so the job must have at least one")
        _check_args(wanted.args, f"{at}.args", of_output=True)
        target, there = _check_output(wanted.path, f"{at}.path")
        if any(target == other.target for other in outputs):
            raise Invalid.at(f"{at}.path", f"{wanted.path} stands twice in this job's outputs")
        outputs.append(Output(index=index, path=wanted.path, target=target, name=wanted.name))
        found.append(there)
    for output, there in zip(outputs, found, strict=True):
        if _is_source(output, there, sources):
            raise Invalid.at(f"job.outputs[{output.index}].path", f"{output.path} is also an input of this job")
    for output, there in zip(outputs, found, strict=True):
        if there is not None and not spec.overwrite:
            path = f"job.outputs[{output.index}].path"
            raise Conflict(
                f"{output.path} exists; choose another path, or set `overwrite`", {"path": path, "job": None}
            )
    return outputs


def check_not_taken(
    outputs: Sequence[Output], taken_by: Callable[[str], m.JobView | None], asked_as: Sequence[int] = ()
) -> None:
    """Refuse outputs that an active job is to write; `asked_as` as in `Admitted`. Raises `Conflict`."""
    for output in outputs:
        holder = taken_by(output.target)
        if holder is not None:
            index = asked_as[output.index] if asked_as else output.index
            raise Conflict(
                f"{output.path} is to be written by job {holder.id}, which is {holder.status}",
                {"path": f"job.outputs[{index}].path", "job": holder},
            )


def _check_inputs(inputs: Sequence[m.Input], at: str, sources: _Sources) -> None:
    for number, source in enumerate(inputs):
        found = _check_args(source.args, f"{at}[{number}].args", of_output=False)
        demuxer = arguments.value_of(found, "f")
        path = f"{at}[{number}].path"
        if "\0" in source.path:
            raise Invalid.at(path, "an input cannot hold a NUL character")
        if demuxer == "lavfi":
            continue
        url = URL.match(source.path)
        if url is not None and source.file is None:
            if url[1].lower() in STDIN_SCHEMES:
                raise Invalid.at(path, f"{url[1]}:// would read FFmpeg's stdin, which is how Rushes stops it")
            continue
        _check_input_file(source.file or source.path, path, sources, is_pattern=demuxer == "image2")


def _check_input_file(text: str, at: str, sources: _Sources, *, is_pattern: bool) -> None:
    if not text.startswith("/"):
        raise Invalid.at(
            at,
            f"input {text!r} must be an absolute path, scheme://…, or a filter graph with -f lavfi in its args",
        )
    if os.path.normpath(text) in STDIN_FILES:
        raise Invalid.at(at, f"{text} would read FFmpeg's stdin, which is how Rushes stops it")
    file = (os.path.dirname(text) or "/") if is_pattern else text
    try:
        found = os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        raise Invalid.at(at, f"input {file} does not exist") from None
    except OSError as error:
        raise Invalid.at(at, f"input {text!r} cannot be read: {error.strerror}") from None
    if is_pattern:
        sources.patterns.add(os.path.realpath(text))
    elif stat.S_ISDIR(found.st_mode):
        raise Invalid.at(at, f"input {file} is a folder")
    else:
        sources.files[found.st_dev, found.st_ino].append(text)


def _check_output(text: str, at: str) -> tuple[str, os.stat_result | None]:
    """The path with its folder's links resolved, and what is there now."""
    if not text.startswith("/") or "\0" in text:
        raise Invalid.at(at, f"output {text!r} must be an absolute path")
    folder, name = os.path.split(text)
    if name in ("", ".", ".."):
        raise Invalid.at(at, f"output {text!r} must name a file, not a folder")
    if name.startswith(PARTIAL_PREFIX):
        raise Invalid.at(at, f"names that begin with {PARTIAL_PREFIX} are for files that are not finished")
    suffix = suffix_of(name)
    partial = LONGEST_PARTIAL + len(os.fsencode(suffix))
    if max(len(os.fsencode(name)), partial) > MAX_NAME_BYTES:
        raise Invalid.at(at, f"the output's name, or its suffix, is too long for the system's {MAX_NAME_BYTES} bytes")
    if len(os.fsencode(folder)) + 1 + partial > MAX_PATH_BYTES:
        raise Invalid.at(at, f"the output's path is too long for the system's {MAX_PATH_BYTES} bytes")
    if suffix.lower() in SEVERAL_FILES:
        raise Invalid.at(at, f"{suffix} makes FFmpeg write several files; an output is one file")
    try:
        resolved = _folder(folder, int(time.monotonic() / FOLDER_SECONDS))
        found = _look(text)
        if found is not None and (stat.S_ISDIR(found.st_mode) or os.path.isdir(text)):
            raise Invalid.at(at, f"output {text!r} is a folder")
    except _Unusable as why:
        raise Invalid.at(at, str(why)) from None
    except OSError as error:
        raise Invalid.at(at, f"output {text!r} cannot be written: {error.strerror}") from None
    return os.path.join(resolved, name), found


class _Unusable(Exception):
    """No file can be made in a folder; says why."""


@functools.lru_cache(maxsize=256)
def _folder(path: str, _moment: int) -> str:
    """A folder's path without links. Raises `_Unusable`, which is not remembered, or OSError.

    Only trying tells whether a file can be made: for root, in /proc, in an immutable folder.
    """
    if not Path(path).is_dir():
        raise _Unusable(f"output folder {path} does not exist")
    try:
        with tempfile.TemporaryFile(dir=path, prefix=PARTIAL_PREFIX):
            return os.path.realpath(path)
    except OSError as error:
        raise _Unusable(f"output folder {path} cannot be written by {_me()}: {error.strerror}") from error


def _look(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def _is_source(output: Output, there: os.stat_result | None, sources: _Sources) -> bool:
    """True where an output, under whatever name, is an input of any run of the job."""
    if there is not None and stat.S_ISLNK(there.st_mode):
        with contextlib.suppress(OSError):
            there = os.stat(output.path)
    names = sources.files.get((there.st_dev, there.st_ino)) if there is not None else None
    if not names and not sources.patterns:
        return False
    # Not a hard link to an input: what replaces that leaves the input as it is.
    target = os.path.realpath(output.target)
    return target in sources.patterns or any(os.path.realpath(name) == target for name in names or ())


def _check_args(args: Sequence[str], at: str, *, of_output: bool) -> list[arguments.Option]:
    for number, argument in enumerate(args):
        if "\0" in argument:
            raise Invalid.at(f"{at}[{number}]", "an argument cannot hold a NUL character")
    try:
        return arguments.check(args, of_output=of_output)
    except arguments.Refused as refused:
        raise Invalid.at(f"{at}[{refused.place}]", str(refused)) from None


def _me() -> str:
    return f"the daemon's user (uid {os.geteuid()})"

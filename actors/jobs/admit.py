"""May this job be taken? Everything about a spec that the file system or FFmpeg would refuse later is refused here."""

import functools
import os
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.ffmpeg import arguments
from actors.ffmpeg.command import PARTIAL_PREFIX, partial_path
from actors.jobs.model import ID_CHARS, Output
from bus import messages as m
from bus.errors import Conflict, Invalid
from bus.limits import MAX_OUTPUTS

URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)

STDIN_SCHEMES = frozenset({"pipe", "fd"})
"""Schemes that would read FFmpeg's stdin, which is how Rushes stops it."""

SEVERAL_FILES = (".m3u8", ".mpd", ".ffconcat")
"""Suffixes for which FFmpeg chooses a muxer that writes files beside the one named."""

FOLDER_SECONDS = 2.0
"""How long it is remembered whether a folder can be written: a thousand jobs for one folder need one trial."""

LONGEST_RUN = 10**9
"""A number of starts that no job reaches, in the name of a partial file."""

MAX_PATH_BYTES = 4095
"""Linux' PATH_MAX without its closing NUL."""

MAX_NAME_BYTES = 255
"""Linux' NAME_MAX."""


def admit(spec: m.JobSpec) -> list[Output]:
    """The outputs of a job that may be taken, so far as the spec and the file system tell.

    Raises:
        Invalid: `details["path"]` names the field.
        Conflict: an output exists that is not to be overwritten.

    """
    _check_inputs(spec.inputs, "job.inputs")
    outputs: list[Output] = []
    for index, wanted in enumerate(spec.outputs):
        at = f"job.outputs[{index}]"
        if wanted.inputs is not None:
            _check_inputs(wanted.inputs, f"{at}.inputs")
        elif not spec.inputs:
            raise Invalid.at("job.inputs", f"{at} has no inputs of its own, so the job must have at least one")
        _check_args(wanted.args, f"{at}.args", of_output=True)
        target = _check_output(wanted.path, f"{at}.path")
        if any(target == other.target for other in outputs):
            raise Invalid.at(f"{at}.path", f"{wanted.path} stands twice in this job's outputs")
        outputs.append(Output(index=index, path=wanted.path, target=target, name=wanted.name))
    _check_not_inputs(spec, outputs)
    if not spec.overwrite:
        check_free(outputs)
    return outputs


def check_free(outputs: Sequence[Output]) -> None:
    """Refuse outputs that exist. Raises `Conflict`."""
    for output in outputs:
        if os.path.lexists(output.path):
            path = f"job.outputs[{output.index}].path"
            raise Conflict(
                f"{output.path} exists; choose another path, or set `overwrite`", {"path": path, "job": None}
            )


def check_not_taken(outputs: Sequence[Output], taken_by: Callable[[str], m.JobView | None]) -> None:
    """Refuse outputs that an active job is to write. Raises `Conflict`."""
    for output in outputs:
        holder = taken_by(output.target)
        if holder is not None:
            raise Conflict(
                f"{output.path} is to be written by job {holder.id}, which is {holder.status}",
                {"path": f"job.outputs[{output.index}].path", "job": holder},
            )


def _check_inputs(inputs: Sequence[m.Input], at: str) -> None:
    for number, source in enumerate(inputs):
        found = _check_args(source.args, f"{at}[{number}].args", of_output=False)
        demuxer = arguments.value_of(found, "f")
        if demuxer == "lavfi":
            continue
        path = f"{at}[{number}].path"
        url = URL.match(source.path)
        if url is not None and source.file is None:
            if url[1].lower() in STDIN_SCHEMES:
                raise Invalid.at(path, f"{url[1]}:// would read FFmpeg's stdin, which is how Rushes stops it")
            continue
        _check_input_file(source.file or source.path, path, is_pattern=demuxer == "image2")


def _check_input_file(text: str, at: str, *, is_pattern: bool) -> None:
    if not text.startswith("/") or "\0" in text:
        raise Invalid.at(
            at,
            f"input {text!r} must be an absolute path, scheme://…, or a filter graph with -f lavfi in its args",
        )
    file = Path(text)
    try:
        found = file.parent if is_pattern else file
        if not found.exists():
            raise Invalid.at(at, f"input {found} does not exist")
        if not is_pattern and found.is_dir():
            raise Invalid.at(at, f"input {found} is a folder")
    except OSError as error:
        raise Invalid.at(at, f"input {text!r} cannot be read: {error.strerror}") from None


def _check_output(text: str, at: str) -> str:
    """The path with its folder's links resolved."""
    if not text.startswith("/") or "\0" in text:
        raise Invalid.at(at, f"output {text!r} must be an absolute path")
    file = Path(text)
    if text.endswith(("/", "/.", "/..")) or not file.name:
        raise Invalid.at(at, f"output {text!r} must name a file, not a folder")
    if file.name.startswith(PARTIAL_PREFIX):
        raise Invalid.at(at, f"names that begin with {PARTIAL_PREFIX} are for files that are not finished")
    partial = Path(partial_path(text, "x" * ID_CHARS, MAX_OUTPUTS, LONGEST_RUN))
    if max(len(os.fsencode(name)) for name in (file.name, partial.name)) > MAX_NAME_BYTES:
        raise Invalid.at(at, f"the output's name, or its suffix, is too long for the system's {MAX_NAME_BYTES} bytes")
    if len(os.fsencode(partial)) > MAX_PATH_BYTES:
        raise Invalid.at(at, f"the output's path is too long for the system's {MAX_PATH_BYTES} bytes")
    if file.suffix.lower() in SEVERAL_FILES:
        raise Invalid.at(at, f"{file.suffix} makes FFmpeg write several files; an output is one file")
    try:
        if not file.parent.is_dir():
            raise Invalid.at(at, f"output folder {file.parent} does not exist")
        refusal = _why_not_writable(str(file.parent), int(time.monotonic() / FOLDER_SECONDS))
        if refusal is not None:
            raise Invalid.at(at, f"output folder {file.parent} cannot be written by {_me()}: {refusal}")
        if file.is_dir():
            raise Invalid.at(at, f"output {text!r} is a folder")
        return str(file.parent.resolve() / file.name)
    except OSError as error:
        raise Invalid.at(at, f"output {text!r} cannot be written: {error.strerror}") from None


@functools.lru_cache(maxsize=256)
def _why_not_writable(folder: str, _moment: int) -> str | None:
    """Why no file can be made in a folder; only trying answers for root, for /proc and for an immutable folder."""
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=PARTIAL_PREFIX):
            return None
    except OSError as error:
        return error.strerror


def _check_not_inputs(spec: m.JobSpec, outputs: Sequence[Output]) -> None:
    """No output may be an input of any run of the job, under whatever name."""
    sources = {*spec.inputs, *(source for wanted in spec.outputs for source in wanted.inputs or ())}
    read = {os.path.realpath(source.file) for source in sources if source.file is not None}
    for output in outputs:
        if os.path.realpath(output.target) in read:
            raise Invalid.at(f"job.outputs[{output.index}].path", f"{output.path} is also an input of this job")


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

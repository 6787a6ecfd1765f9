"""Output presets: arguments, further inputs and a suffix that a job gets by naming a format."""

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.ffmpeg import failure, seen
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import environment
from actors.ffmpeg.command import argv, suffix_of
from actors.jobs.admit import admit
from bus import messages as m
from bus.errors import CommandRefused, Invalid
from bus.limits import MAX_ARGS, MAX_FORMAT_CHARS, MAX_INPUTS, MAX_OUTPUTS, MAX_PATH_CHARS
from bus.spec import Args, Input

TRIAL_SECONDS = 20
"""For a tenth of a second of picture and sound, which takes a quarter of one; a hardware encoder may wake up slowly."""

TRIAL_LENGTH = "0.1"
"""Seconds."""

TRIAL_PREFIX = "format-"
"""How the folders begin in which formats are tried."""

SOURCE = Input("testsrc=duration=0.1:size=320x180:rate=25[out0];sine=duration=0.1[out1]", ("-f", "lavfi"))
"""What a format is tried with: one input of picture and sound, as most jobs have one."""

PLACE = re.compile(r"job\.outputs\[(\d+)\](?:\.args\[(\d+)\])?")


FormatKey = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=MAX_FORMAT_CHARS)]
"""How a configuration may name a format: it becomes part of a file's name, and of a list on a command line."""


class Format(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A preset. `args` stand before those of the output, `inputs` after the job's, `extension` after a bare path."""

    args: Args
    extension: Annotated[str, Meta(pattern=r"\A\.[A-Za-z0-9]{1,16}\Z")] = ".mp4"
    inputs: Annotated[tuple[Input, ...], Meta(max_length=8)] = ()


def _video(shape: str) -> tuple[str, ...]:
    return (
        *("-vf", f"{shape},setsar=1", "-c:v", "libx264", "-preset", "medium", "-crf", "20", "-pix_fmt", "yuv420p"),
        *("-c:a", "aac", "-b:a", "192k", "-movflags", "+faststart"),
    )


BUILT_IN: Mapping[str, Format] = {
    "full_16_9": Format(
        args=_video("scale=1920:1080:force_original_aspect_ratio=decrease,pad=1920:1080:(ow-iw)/2:(oh-ih)/2")
    ),
    "short_9_16": Format(args=_video("scale=1080:1920:force_original_aspect_ratio=increase,crop=1080:1920")),
    "clip_1_1": Format(args=_video("scale=1080:1080:force_original_aspect_ratio=increase,crop=1080:1080")),
    "thumbnail": Format(
        args=("-vf", "thumbnail,scale=640:-2", "-frames:v", "1", "-an", "-c:v", "mjpeg", "-q:v", "3"),
        extension=".jpg",
    ),
}
"""The whole picture with bars, its middle upright, its middle square, and one telling frame."""


class Origin(NamedTuple):
    """Which of the outputs that were asked for an output comes from, and how many of its arguments do not."""

    output: int
    added: int = 0


class Expanded(NamedTuple):
    """A spec in which each output stands by itself, and where each comes from."""

    spec: m.JobSpec
    origins: list[Origin]

    def refusal(self, refused: CommandRefused) -> CommandRefused:
        """A refusal that names the output, and its argument, as they were asked for."""

        def asked(at: re.Match[str]) -> str:
            origin = self.origins[int(at[1])]
            argument = "" if at[2] is None else f".args[{int(at[2]) - origin.added}]"
            return f"job.outputs[{origin.output}]{argument}"

        path = refused.details.get("path")
        if isinstance(path, str):
            refused.details["path"] = PLACE.sub(asked, path)
        return refused


class Tried(NamedTuple):
    """What came of a trial: why a job could not have the format, None where it can; and whether that stays so."""

    error: str | None
    is_lasting: bool = True


class Formats:
    """All there are. Used by any thread; each waits for the trial that another is at."""

    def __init__(self, own: Mapping[str, Format], ffmpeg: FFmpeg, work: Path) -> None:
        self._own = own
        self._all = {**BUILT_IN, **own}
        self._built_in = {name: one for name, one in BUILT_IN.items() if name not in own}
        self._ffmpeg = ffmpeg
        self._work = work
        self._tried: dict[str, Tried] = {}
        self._lock = threading.Lock()
        """Around all that is tried, one format at a time."""
        self._trial: subprocess.Popen[str] | None = None
        for left in work.glob(f"{TRIAL_PREFIX}*"):  # by a daemon that was killed
            shutil.rmtree(left, ignore_errors=True)

    def wrong(self) -> str | None:
        """What is wrong with one of the configuration's own, and stays so; None where there is no such one."""
        for name in self._own:
            error = self.error(name)
            if error is not None and self._tried[name].is_lasting:
                return f"format {name} of the configuration cannot be used: {error}"
        return None

    def recall(self) -> None:
        """Take it that FFmpeg takes those built in, where an earlier daemon has seen it."""
        if seen.was_seen(self._ffmpeg, self._built_in):
            self._tried.update(dict.fromkeys(self._built_in, Tried(None)))

    def unusable(self) -> Iterator[tuple[str, str]]:
        """Those that no job can have, each with the reason. All that were not tried yet are tried here.

        That FFmpeg takes those built in is remembered for `recall`: the trial costs a third of a second.
        """
        for name in self._all:
            if (error := self.error(name)) is not None:
                yield name, error
        if not any(self._tried[name].error for name in self._built_in):
            seen.remember(self._ffmpeg, self._built_in)

    def error(self, name: str) -> str | None:
        """Why FFmpeg does not take a format; None where it does. Found out once, but for what another day may mend."""
        with self._lock:
            tried = self._tried.get(name)
            if tried is None or not tried.is_lasting:
                tried = self._tried[name] = self._try(self._all[name])
            return tried.error

    def give_up(self) -> None:
        """End the trial that somebody is at, if there is one."""
        if (trial := self._trial) is not None:
            trial.kill()

    def views(self) -> list[m.FormatView]:
        """All of them, each tried."""
        return [
            m.FormatView(
                name=name, extension=one.extension, args=list(one.args), inputs=[source.path for source in one.inputs],
                built_in=name not in self._own, error=self.error(name),
            )
            for name, one in self._all.items()
        ]  # fmt: skip

    def expand(self, spec: m.JobSpec) -> Expanded:
        """The spec with each format in the words of FFmpeg. Raises `Invalid`."""
        if all(output.format is None for output in spec.outputs):
            return Expanded(spec, [Origin(index) for index in range(len(spec.outputs))])
        outputs: list[m.Output] = []
        origins: list[Origin] = []
        for index, output in enumerate(spec.outputs):
            for found in self._outputs(spec, index, output):
                outputs.append(found)
                origins.append(Origin(index, len(found.args) - len(output.args)))
        if len(outputs) > MAX_OUTPUTS:
            raise Invalid.at(
                "job.outputs", f"with their formats these are {len(outputs)} outputs; {MAX_OUTPUTS} may be"
            )
        return Expanded(replace(spec, outputs=tuple(outputs)), origins)

    def _outputs(self, spec: m.JobSpec, index: int, output: m.Output) -> Iterator[m.Output]:
        if output.format is None:
            yield output
            return
        several = not isinstance(output.format, str)
        for name in (output.format,) if isinstance(output.format, str) else output.format:
            preset = self._all.get(name)
            at = f"job.outputs[{index}].format"
            if preset is None:
                raise Invalid.at(at, f"there is no format {name!r}; there are: {', '.join(self._all)}")
            error = self.error(name)
            if error is not None:
                raise Invalid.at(at, f"format {name} cannot be used on this machine: {error}")
            path, file_name = output.path, output.path.rpartition("/")[2]
            if file_name in ("", ".", ".."):
                pass  # a folder, which is told of as in any job
            elif several:
                path += f".{name}{preset.extension}"
            elif not suffix_of(file_name):
                path += preset.extension
            args = (*preset.args, *output.args)
            inputs = (*(output.inputs or spec.inputs), *preset.inputs) if preset.inputs else output.inputs
            # What is stored is read again as any spec is: none may be larger than a client's.
            for size, limit, what in (
                (len(path), MAX_PATH_CHARS, "a path of {} characters"),
                (len(args), MAX_ARGS, "{} arguments"),
                (len(inputs or ()), MAX_INPUTS, "{} inputs"),
            ):
                if size > limit:
                    raise Invalid.at(at, f"with format {name} the output has {what.format(size)}; {limit} may be")
            yield replace(
                output, path=path, args=args, format=name, inputs=inputs,
                name=output.name or (name if several else None),
            )  # fmt: skip

    def _try(self, preset: Format) -> Tried:
        """What comes of a job with it, or of an encode."""
        try:
            with tempfile.TemporaryDirectory(dir=self._work, prefix=TRIAL_PREFIX) as folder:
                return self._encode(preset, folder)
        except OSError as error:
            return Tried(f"it cannot be tried now: {error.strerror}", is_lasting=False)

    def _encode(self, preset: Format, folder: str) -> Tried:
        target = f"{folder}/trial{preset.extension}"
        made = m.Output(target, (*preset.args, "-t", TRIAL_LENGTH), inputs=preset.inputs or None)
        try:
            admit(m.JobSpec(inputs=(SOURCE,), outputs=(made,)))
        except CommandRefused as refused:
            return Tried(f"{str(refused.details['path']).removeprefix('job.outputs[0].')}: {refused.message}")
        made = replace(made, args=(*made.args, "-v", "error"), inputs=(SOURCE, *preset.inputs))
        command = argv(self._ffmpeg, m.JobSpec(outputs=(made,)), 0, target, f"{folder}/progress")
        with subprocess.Popen(  # noqa: S603 # the operator's own arguments, without a shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", env=environment(),
        ) as self._trial:  # fmt: skip
            try:
                _, said = self._trial.communicate(timeout=TRIAL_SECONDS)
            except subprocess.TimeoutExpired:
                self._trial.kill()
                return Tried(f"FFmpeg did not end within {TRIAL_SECONDS} s")
            status = self._trial.returncode
        if status == 0 and Path(target).exists() and Path(target).stat().st_size:
            return Tried(None)
        failed = failure.explain(status, said)
        return Tried(failed.message, is_lasting=not failed.retryable)

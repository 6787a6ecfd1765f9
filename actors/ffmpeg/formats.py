"""Output presets: arguments, further inputs and a suffix that a job gets by naming a format."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct
from msgspec.structs import replace

from actors.ffmpeg.command import suffix_of
from bus import messages as m
from bus.errors import CommandRefused, Invalid
from bus.limits import MAX_ARGS, MAX_FORMAT_CHARS, MAX_INPUTS, MAX_OUTPUTS, MAX_PATH_CHARS
from bus.spec import Args, Input

PLACE = re.compile(r"job\.outputs\[(\d+)\](?:\.args\[(\d+)\])?")


FormatKey = Annotated[
    str,
    Meta(
        pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
        max_length=MAX_FORMAT_CHARS,
        description="of letters, digits, dots, _ and -",
    ),
]
"""How a configuration may name a format: it becomes part of a file's name, and of a list on a command line."""


class Format(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A preset. `args` stand before those of the output, `inputs` after the job's, `extension` after a bare path."""

    args: Args
    extension: Annotated[
        str, Meta(pattern=r"\A\.[A-Za-z0-9]{1,16}\Z", description="a dot and letters or digits, such as .mp4")
    ] = ".mp4"
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


class Formats:
    """All there are.

    Args:
        own: the configuration's; one of them stands for the built-in one of its name.
        error: why FFmpeg does not take the one of a name, None where it does. What it raises, goes to who asks.

    """

    def __init__(self, own: Mapping[str, Format], error: Callable[[str], str | None]) -> None:
        self._own = own
        self._all = {**BUILT_IN, **own}
        self._error = error

    def views(self) -> list[m.FormatView]:
        """All of them, each tried."""
        return [
            m.FormatView(
                name=name, extension=one.extension, args=list(one.args), inputs=[source.path for source in one.inputs],
                built_in=name not in self._own, error=self._error(name),
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
            error = self._error(name)
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

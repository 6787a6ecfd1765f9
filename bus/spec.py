"""The job spec: what a `submit` asks for. It comes from outside, so unknown fields are refused."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bus import limits

Name = Annotated[str, Meta(max_length=limits.MAX_NAME_CHARS)]
PathText = Annotated[str, Meta(min_length=1, max_length=limits.MAX_PATH_CHARS)]
Args = Annotated[tuple[Annotated[str, Meta(max_length=limits.MAX_ARG_CHARS)], ...], Meta(max_length=limits.MAX_ARGS)]
Priority = Annotated[int, Meta(ge=limits.MIN_PRIORITY, le=limits.MAX_PRIORITY)]
Seconds = Annotated[float, Meta(gt=0, le=limits.MAX_SECONDS)]
ResourceName = Annotated[
    str,
    Meta(
        pattern=rf"\A[a-z][a-z0-9_-]{{0,{limits.MAX_RESOURCE_CHARS - 1}}}\Z",
        description="of small letters, digits, _ and -, such as nvenc",
    ),
]
Resources = dict[ResourceName, Annotated[int, Meta(ge=1, le=limits.MAX_SLOTS)]]
FormatName = Annotated[str, Meta(min_length=1, max_length=limits.MAX_FORMAT_CHARS)]
Verify = Literal["full", "none"]
MetadataText = Annotated[str, Meta(max_length=limits.MAX_METADATA_CHARS)]
Metadata = dict[MetadataText, MetadataText]


FILE_SCHEME = "file://"


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """One `-i` of an FFmpeg run: `args` stand before it."""

    path: PathText
    args: Args = ()

    @property
    def file(self) -> str | None:
        """The path of a file of this machine, without the `file://` that it may have; None for what is no path."""
        path = self.path[len("file:") :] if self.path[: len(FILE_SCHEME)].lower() == FILE_SCHEME else self.path
        return path if path.startswith("/") else None


Inputs = Annotated[tuple[Input, ...], Meta(min_length=1, max_length=limits.MAX_INPUTS)]


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """One FFmpeg run and the one file it makes: `args` stand before the file.

    `expect_duration` (seconds) is what the output must be as long as; without it Rushes derives it where it can.
    `verify` `none`: what FFmpeg leaves with status 0 is taken as it is. `format`: a preset of the daemon's, or several,
    of which each makes an output.
    """

    path: PathText
    args: Args = ()
    name: Name | None = None
    inputs: Inputs | None = None
    expect_duration: Seconds | None = None
    verify: Verify = "full"
    format: FormatName | Annotated[tuple[FormatName, ...], Meta(min_length=1, max_length=limits.MAX_OUTPUTS)] | None = (
        None
    )


class JobSpec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is to be rendered. Durations are seconds; `resources` are the slots that it takes while it runs."""

    inputs: Annotated[tuple[Input, ...], Meta(max_length=limits.MAX_INPUTS)] = ()
    outputs: Annotated[tuple[Output, ...], Meta(min_length=1, max_length=limits.MAX_OUTPUTS)]
    name: Name | None = None
    session: Name | None = None
    priority: Priority = 0
    max_attempts: Annotated[int, Meta(ge=1, le=limits.MAX_ATTEMPTS)] = 1
    timeout: Seconds | None = None
    stall_timeout: Seconds | None = None
    overwrite: bool = False
    resources: Annotated[Resources, Meta(min_length=1, max_length=limits.MAX_RESOURCES)] | None = None
    ttl: Annotated[float, Meta(ge=0, le=limits.MAX_SECONDS)] = 86_400
    keep_files: bool = False
    metadata: Annotated[Metadata, Meta(max_length=limits.MAX_METADATA_ENTRIES)] = {}

    def inputs_of(self, index: int) -> tuple[Input, ...]:
        """The inputs that output `index` reads: its own, else the job's."""
        return self.outputs[index].inputs or self.inputs

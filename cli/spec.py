"""A job spec from what the user wrote. Paths are made absolute here: the daemon stands in another folder."""

import os
import shlex
from collections.abc import Sequence
from typing import Any, BinaryIO

import click
import msgspec

from bus.messages import Input, JobSpec, Output
from cli import text

URL_MARK = "://"


def from_paths(paths: Sequence[str], input_args: Sequence[str], output_args: Sequence[str]) -> dict[str, Any]:
    """A spec in FFmpeg's own order: inputs, the last path the output.

    Args:
        paths: inputs and output.
        input_args: the n-th is the arguments of the n-th input, as a shell would split them.
        output_args: the output's arguments.

    """
    if len(paths) < 2:
        raise click.UsageError("give at least one input and, last before any --, the output (or --spec FILE)")
    *inputs, output = paths
    if len(input_args) > len(inputs):
        raise click.UsageError(f"{len(input_args)} --input-args for {text.count(len(inputs), 'input')}")
    try:
        split = [shlex.split(args) for args in input_args]
    except ValueError as error:
        raise click.UsageError(f"--input-args: {error}") from None
    split += [[]] * (len(inputs) - len(split))
    return {
        "inputs": [{"path": path, "args": args} for path, args in zip(inputs, split, strict=True)],
        "outputs": [{"path": output, "args": list(output_args)}],
    }


def from_file(file: BinaryIO) -> dict[str, Any]:
    """A spec as JSON."""
    try:
        spec = msgspec.json.decode(file.read())
    except (msgspec.DecodeError, RecursionError) as error:
        raise click.UsageError(f"{file.name}: not JSON: {error}") from None
    if not isinstance(spec, dict):
        raise click.UsageError(f"{file.name}: a job spec is a JSON object")
    return spec


def absolute(spec: JobSpec) -> JobSpec:
    """The spec with every path as seen from here."""
    return msgspec.structs.replace(
        spec,
        inputs=tuple(map(_absolute_input, spec.inputs)),
        outputs=tuple(map(_absolute_output, spec.outputs)),
    )


def _absolute_output(output: Output) -> Output:
    inputs = None if output.inputs is None else tuple(map(_absolute_input, output.inputs))
    path = _absolute(output.path)
    if output.path.rpartition("/")[2] in ("", ".", "..") and path != "/":
        path += "/"  # a folder stays one, and is refused: a format would make a file of its name
    return msgspec.structs.replace(output, path=path, inputs=inputs)


def _absolute_input(source: Input) -> Input:
    """A URL and a filter graph for lavfi are no paths."""
    lavfi = ("-f", "lavfi") in zip(source.args, source.args[1:], strict=False)
    if lavfi or URL_MARK in source.path:
        return source
    return msgspec.structs.replace(source, path=_absolute(source.path))


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 # Path.absolute keeps `..`; resolve would follow links

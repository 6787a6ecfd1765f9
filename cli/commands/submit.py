"""`rushes submit`: a job from a command line that reads like FFmpeg's, or from a JSON job spec."""

from typing import Any, BinaryIO

import click

from bus import limits
from bus.client import Client
from bus.errors import Invalid
from bus.request import job_spec
from cli import dry, slots
from cli.lines import line
from cli.numbers import Seconds, Whole
from cli.options import with_client
from cli.output import is_terminal, print_json, say
from cli.spec import absolute, from_file, from_paths
from cli.watch import settle, wait_for

SECONDS = Seconds(0, min_open=True)


class FFmpegLike(click.Command):
    """A command in which everything after `--` is FFmpeg's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take FFmpeg's part away before the rest is read."""
        at = args.index("--") if "--" in args else len(args)
        ctx.params["output_args"] = args[at + 1 :]
        ours = args[:at]
        try:
            return super().parse_args(ctx, list(ours))
        except click.NoSuchOption as error:
            if error.option_name.startswith("--"):
                raise
            word = _written(error.option_name, ours)
            raise click.UsageError(f"no option {word!r}; {_hint(word)}", ctx) from None


def _written(name: str, words: list[str]) -> str:
    """The word in which click found no such option: it reads `-c:v` as `-c`, and in `-hide_banner` an `-h` first."""
    starts = (name, "-h")
    return next((word for start in starts for word in words if word.startswith(start) and word != "-h"), name)


def _hint(word: str) -> str:
    """Where to put what FFmpeg would understand."""
    if word == "-i":
        return "inputs come without it, before the output: rushes submit in.mov out.mp4"
    return f"FFmpeg's own options follow --: rushes submit in.mov out.mp4 -- {word} ..."


def _metadata(_ctx: click.Context, _param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str] | None:
    for pair in pairs:
        if "=" not in pair:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)} or None


def _formats(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> str | list[str] | None:
    """One name, or several."""
    if not given:
        return None
    names = [name.strip() for name in ",".join(given).split(",")]
    if "" in names:
        raise click.BadParameter(f"{','.join(given)!r} has no name of a preset in one of its places")
    return names if len(names) > 1 else names[0]


@click.command(cls=FFmpegLike, options_metavar="[OPTIONS]")
@click.argument("paths", nargs=-1, metavar="INPUT... OUTPUT [-- OUTPUT_ARGS...]")
@click.option(
    "--input-args",
    multiple=True,
    metavar="ARGS",
    help="What stands before an input's -i, in one string; the n-th is for the n-th input.",
)
@click.option("--spec", type=click.File("rb"), metavar="FILE", help="The job as JSON instead; - is stdin.")
@click.option(
    "--format",
    "formats",
    metavar="NAME,...",
    multiple=True,
    callback=_formats,
    help="A preset, or several: one output each (rushes formats).",
)
@click.option("--name", help="What people call the job.")
@click.option("--session", help="Groups jobs.")
@click.option(
    "--priority",
    metavar="N",
    type=Whole(limits.MIN_PRIORITY, limits.MAX_PRIORITY),
    help="The higher, the sooner. [default: 0]",
)
@click.option("--resources", metavar="NAME=N,...", callback=slots.option, help="Slots it takes. [default: cpu=1]")
@click.option(
    "--max-attempts",
    metavar="N",
    type=Whole(1, limits.MAX_ATTEMPTS),
    help="Tries. [default: 1]",
)
@click.option("--timeout", type=SECONDS, metavar="SECONDS", help="Fail an output that takes longer.")
@click.option("--stall-timeout", type=SECONDS, metavar="SECONDS", help="Fail an output without progress for so long.")
@click.option("--expect-duration", type=SECONDS, metavar="SECONDS", help="How long the output must be.")
@click.option("--no-verify", is_flag=True, help="Take what FFmpeg made without opening it.")
@click.option("--overwrite", is_flag=True, default=None, help="Replace an output file that exists.")
@click.option(
    "--ttl",
    type=Seconds(0),
    metavar="SECONDS",
    help="Remove it, and its files, so long after its end. [default: a day]",
)
@click.option("--keep-files", is_flag=True, default=None, help="When the ttl is over, leave the files.")
@click.option(
    "--metadata",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_metadata,
    help="Carried along. May be repeated.",
)
@click.option("--wait", is_flag=True, help="Until it has ended; its success is the exit status.")
@dry.DRY_RUN
@with_client
def submit(
    client: Client,
    /,
    *,
    paths: tuple[str, ...],
    input_args: tuple[str, ...],
    output_args: list[str],
    spec: BinaryIO | None,
    formats: str | list[str] | None,
    expect_duration: float | None,
    no_verify: bool,
    wait: bool,
    dry_run: bool,
    as_json: bool,
    **fields: Any,
) -> None:
    """Queue a job.

    The last path is the output; what follows -- are its arguments, as FFmpeg takes them. Several outputs, and
    inputs of their own, need --spec; the options then replace what it says. Prints the job's id alone where
    stdout is no terminal.

    \b
    Examples:
      rushes submit in.mov out.mp4 -- -c:v libx264 -crf 23
      rushes submit --input-args "-ss 10 -t 5" in.mov cut.mp4 --wait
      rushes submit --input-args "-f lavfi" testsrc2=d=10 bars.mp4
      rushes submit in.mov clip --format full_16_9,thumbnail
      id=$(rushes submit --spec job.json)
    """
    if spec is None:
        raw = from_paths(paths, input_args, output_args)
        raw["outputs"][0] |= {"expect_duration": expect_duration, "verify": "none" if no_verify else "full"}
        if formats is not None:
            raw["outputs"][0]["format"] = formats
    elif paths or input_args or output_args or expect_duration or no_verify or formats is not None:
        raise click.UsageError("--spec says which files and arguments, and how each output is proved; give no others")
    else:
        raw = from_file(spec)
    options = {name: value for name, value in fields.items() if value is not None}
    try:
        checked = job_spec(raw | options)
    except Invalid as refusal:
        # Nobody but this command line has seen it, and where it was given as an option that is what to name.
        name = str(refusal.details["path"]).removeprefix("job.").partition(".")[0]
        if name not in options:
            raise
        raise click.BadParameter(refusal.message, param_hint=f"--{name.replace('_', '-')}") from None
    result = client.submit(absolute(checked), dry_run=dry_run)
    if dry_run:
        if as_json:
            print_json(result)
        else:
            say(dry.submit(result))
        return
    job = result.job
    if not as_json:
        say(line(job) if is_terminal() else job.id)
    if wait:
        views = wait_for(client, [job.id])
        if as_json:
            print_json({"job": views[job.id]})
        settle(views)
    elif as_json:
        print_json(result)

"""The group of all commands. A command's module is imported when it is invoked, not before.

A new one takes a module of its name in cli/commands, a place in `SECTIONS`, one in a page of deploy/docs, `make man`.
"""

import importlib
import os
import sys
from io import TextIOWrapper

import click

from cli.main import DONE, INTERRUPTED, NO_DAEMON, PIPE_CLOSED, REFUSED, USAGE
from cli.output import PipeClosed, complain, note

TRACEBACK = "RUSHES_TRACEBACK"
"""Set in the environment of whoever looks for a defect of this program."""

MAX_HELP_WIDTH = 100
"""Help is read in lines of at most this, however wide the terminal is."""


SECTIONS = {
    "Jobs": {
        "submit": "Queue a job: rushes submit in.mov out.mp4 -- -c:v libx264",
        "wait": "Wait until jobs have ended; their success is the exit status",
        "cancel": "Stop jobs, and keep their record",
        "delete": "Remove jobs, their record and the files they made",
        "boost, retry": "Move queued jobs; queue failed ones again",
        "pause, unpause": "Hold jobs where they are; let them go on",
    },
    "Look": {
        "top": "All of it, live",
        "list, show": "Jobs, newest first; one job, whole",
        "why, session": "What a job waits for or came to; the jobs of a session as one",
        "log, tail": "What FFmpeg said; events, as they happen",
        "formats": "Output presets that a job can name",
        "status, audit": "The daemon itself; who changed what",
    },
    "Daemon": {
        "serve, doctor": "Run the daemon; see whether all it needs is there",
        "drain, resume": "Start no further job; start jobs again",
        "slots": "How many jobs may run at once",
        "shutdown": "End the daemon",
        "log-level": "Have the daemon's log say more or less",
        "backup": "Copy the daemon's store to a file",
        "demo": "See all of it work on real clips, in a folder of its own",
        "completion": "Print the completion script of a shell",
    },
}
"""The lines of the help: the names of commands that belong together, and what they do."""

COMMANDS = [name for lines in SECTIONS.values() for names in lines for name in names.split(", ")]

ELSEWHERE = {
    "list": ("list", "list_jobs"),
    "unpause": ("pause", "unpause"),
    "log-level": ("daemon", "log_level"),
    **{name: ("daemon", name) for name in ("status", "drain", "resume", "shutdown")},
}
"""Module and name of a command that is not in the module of its own name."""


class LazyGroup(click.Group):
    """A group that knows its commands' names and lines without their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, in the order of the help."""
        return COMMANDS

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; an unknown one is wrong usage."""
        if cmd_name not in COMMANDS:
            if not cmd_name.startswith("-") and not ctx.resilient_parsing:
                ctx.fail(_unknown(cmd_name))
            return None
        module, attribute = ELSEWHERE.get(cmd_name, (cmd_name, cmd_name))
        command: click.Command = getattr(importlib.import_module(f"cli.commands.{module}"), attribute)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Whoever gives an option before the command is told where it belongs."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name
            command = next((word for word in args if word in COMMANDS), "COMMAND")
            hint = f"options go after the command: rushes {command} {name} ..."
            raise click.UsageError(f"no option {name!r} here; {hint}", ctx) from None

    def invoke(self, ctx: click.Context) -> object:
        """Whatever is wrong with a command's words, its own help is the one to look at."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            command = ctx.invoked_subcommand and self.get_command(ctx, ctx.invoked_subcommand)
            if error.ctx is None and command:  # click's parser does not always say
                error.ctx = click.Context(command, parent=ctx, info_name=ctx.invoked_subcommand)
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in one block, right below what Rushes does: all of it fits a screen of 24 lines."""
        for section, lines in SECTIONS.items():
            heading = section
            for names, summary in lines.items():
                formatter.write(f"  {heading:8}{names:16}{summary}\n")
                heading = ""
        formatter.write("rushes COMMAND --help explains each, with an example.  rushes --version\n")


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1)
    return f"there is no command {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"rushes {version('rushes')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": MAX_HELP_WIDTH,
    },
    subcommand_metavar="COMMAND [ARGS]...",
    options_metavar="",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
def rushes() -> None:
    """Runs FFmpeg jobs: queued, watched, stopped when asked, proved when done."""


def run() -> int:
    """Run the command in `sys.argv`; the exit status, after a line on stderr where it is not 0."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that this locale cannot print ends nothing
    try:
        status = rushes.main(prog_name="rushes", standalone_mode=False)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        return _explain(error)
    return status if isinstance(status, int) else DONE


def _explain(error: Exception) -> int:
    """Say what went wrong; the exit status."""
    from msgspec import ValidationError

    from bus.codec import Undecodable
    from bus.errors import BadAddress, CommandRefused, NoDaemon

    match error:
        case click.Abort():
            return INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            error.show()
            return USAGE
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "rushes"
            said = error.format_message()
            if isinstance(error, click.MissingParameter):
                said = " ".join(said.split())  # click gives each choice a line
            complain(said)
            note(f"Try `{path} --help`.")
            return USAGE
        case click.ClickException():
            complain(error.format_message())
            return REFUSED
        case CommandRefused():
            complain(f"{error.code}: {error.message}")
            return REFUSED
        case NoDaemon():
            complain(str(error))
            return NO_DAEMON
        case BadAddress():
            complain(str(error))
            return USAGE
        case Undecodable() | ValidationError():
            complain("what answers at that address is no Rushes daemon that this version understands")
            return NO_DAEMON
        case PipeClosed():
            # The interpreter flushes stdout once more at its end, and must not complain of it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        case UnicodeEncodeError():
            complain("an argument is not valid UTF-8, which the bus cannot carry")
            return USAGE
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            complain(f"{where}{error.strerror or error}")
            return REFUSED
        case _:
            complain(f"{type(error).__name__}: {error}; a defect of rushes, which {TRACEBACK}=1 would locate")
            return REFUSED

"""`python -m actors.doctor`: the command line to which `rushes doctor` hands over."""

import os
import sys
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from actors.__main__ import INTERRUPTED, MAX_HELP_WIDTH, USAGE_ERROR, complain
from actors.__main__ import main as serve
from actors.config import Config, ConfigError, load
from actors.doctor import bounded, bus, folder, leftovers, machine, programs, service, store
from actors.doctor.bounded import Beside, DidNotEnd, Died
from actors.doctor.finding import Finding, Look, fail, ok, warn
from actors.doctor.folder import user_name
from actors.doctor.output import PipeClosed, print_json, say, show, summary
from actors.jobs.slots import shape_of

PROGRAM = "rushes doctor"

PIPE_CLOSED = 141
"""128 + SIGPIPE, as with every command."""

FAILED = 1

CHECKS: dict[str, Look] = {
    "ffmpeg": programs.look,
    "shell": programs.look_at_shell,
    "data": folder.look,
    "log": folder.look_at_log,
    "store": store.look,
    "bus": bus.look,
    "metrics": bus.look_at_metrics,
    "clock": machine.look_at_clock,
    "kernel": machine.look_at_kernel,
    "limits": machine.look_at_limits,
    "systemd": service.look,
    "leftovers": leftovers.look,
}
"""All of them, in the order of their lines."""

USUAL_CONFIG = Path("/etc/rushes/rushes.toml")
"""What deploy/rushes.service has the daemon read: a shell does not."""

WITHOUT_DATA = ("ffmpeg", "shell", "log", "clock", "kernel")
"""Those that do not look at the data folder."""

FOLDER_SECONDS = 5.0
"""For a first look at the data folder: a system call, for which a network mount may have to be made."""


def options() -> list[click.Parameter]:
    """Those of `serve`, so that what it would be told can be tried first, and `--json`."""
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print the findings as JSON, for programs.")
    return [*serve.params, as_json]


def doctor(*, as_json: bool, config: Path | None, **given: Any) -> int:
    """See whether all is there that the daemon needs, and what to do where it is not.

    Give it what you give to rushes serve; the environment and the file count as they do there. It changes
    nothing, and does not disturb a daemon that runs. Root looks as the owner of the data folder. The exit status
    is 1 where a line says FAIL.

    \b
    Example:
      rushes doctor --config /etc/rushes/rushes.toml
    """
    found: list[Finding] = []
    for finding in examine(given, config):
        found.append(finding)
        if not as_json:
            show(finding)
    failed = any(finding.state == "fail" for finding in found)
    if as_json:
        print_json(found, failed=failed)
    else:
        say(summary(found))
    return FAILED if failed else 0


def examine(given: dict[str, Any], config: Path | None) -> Iterator[Finding]:
    """Every line."""
    try:
        settings = load(given, config)
    except ConfigError as error:
        yield fail(
            "settings", str(error), "put it right first: the daemon does not start, and nothing else was looked at"
        )
        return
    yield ok("settings", f"data {settings.data}, bus {settings.bus}, slots {shape_of(settings.slots)}")
    if config is None and not os.environ.get("RUSHES_CONFIG") and USUAL_CONFIG.exists():
        yield warn(
            "settings", f"{USUAL_CONFIG} is there and was not read", f"is that what you mean? --config {USUAL_CONFIG}"
        )
    checks, uid = CHECKS, None
    try:
        owner = owner_of(settings)
    except DidNotEnd:
        checks = {name: CHECKS[name] for name in WITHOUT_DATA}
        yield fail(
            "data", f"{settings.data} does not answer within {FOLDER_SECONDS:g} s; what needs it was not looked at",
            "its disk or its server is gone: see mount and dmesg, bring it back, and start the daemon again",
        )  # fmt: skip
    else:
        me = os.geteuid()
        if owner is not None and me not in (owner, 0):
            checks = {name: CHECKS[name] for name in (*WITHOUT_DATA, "bus")}
            yield warn(
                "data", f"{settings.data} is of {user_name(owner)}, and you are {user_name(me)}; it was not looked at",
                "say it as that user, or as root: sudo rushes doctor ...",
            )  # fmt: skip
        elif owner and me == 0:
            uid = owner
            yield ok("user", f"looking as {user_name(uid)}, who owns the data folder")
    yield from bounded.findings(checks, settings, uid)


def owner_of(settings: Config) -> int | None:
    """Whose the data folder is; None where it is not there.

    Raises:
        DidNotEnd: it does not answer.

    """
    beside = Beside(lambda: iter([Path(settings.data).stat().st_uid]), int)
    try:
        return next(beside.values(time.monotonic() + FOLDER_SECONDS), None)
    except Died:
        return None
    finally:
        beside.close()


main = click.Command(
    "doctor",
    callback=doctor,
    params=options(),
    help=doctor.__doc__,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MAX_HELP_WIDTH},
)


def run() -> int:
    """Do what `sys.argv` says; the exit status."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a name that this locale cannot print ends nothing
    try:
        status = main.main(prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        complain(error.format_message())
        click.echo(f"Try `{PROGRAM} --help`.", err=True)
        return USAGE_ERROR
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except PipeClosed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        return PIPE_CLOSED
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(run())

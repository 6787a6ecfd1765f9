"""`python -m actors`: the daemon's own command line, to which `rushes serve` hands over."""

import os
import sys
from pathlib import Path
from typing import Any, get_type_hints

import click

from actors import logs
from actors.config import Config, ConfigError, load
from actors.daemon import EXIT_FAILED, CannotStart, Daemon, block_signals, collect_seldom, raise_descriptors
from actors.ffmpeg.binary import FFmpegMissing
from actors.ffmpeg.wrapper import NoWrapper
from actors.jobs.database import StoreError
from bus.address import endpoints
from bus.errors import BadAddress
from bus.limits import MAX_SLOTS

PROGRAM = "rushes serve"

USAGE_ERROR = 2
INTERRUPTED = 130
"""128 + SIGINT: Ctrl-C before the daemon was ready to take it for an ordered stop."""

MAX_HELP_WIDTH = 100
"""As wide as the help of the other commands."""


def _check_range(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """The callback of a number whose range is in its setting's type."""
    (meta,) = get_type_hints(Config, include_extras=True)[str(param.name)].__metadata__
    if value is None or meta.ge <= value <= meta.le:
        return value
    raise click.BadParameter(f"must be from {meta.ge} to {meta.le}, not {value:g}")


def _check_slots(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    counts = [part.rpartition("=")[2].strip() for part in (value or "1").split(",")]
    if all(count.isascii() and count.isdigit() and 1 <= int(count) <= MAX_SLOTS for count in counts):
        return value
    raise click.BadParameter(f"must be from 1 to {MAX_SLOTS}, or so many of resources (cpu=8,nvenc=2), not {value!r}")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": MAX_HELP_WIDTH})
@click.option("--data", metavar="DIR", help="Where jobs are kept (RUSHES_DATA).")
@click.option("--bus", metavar="ADDRESS", help="ipc:///folder or tcp://127.0.0.1:PORT (RUSHES_BUS).")
@click.option(
    "--slots",
    metavar="N",
    callback=_check_slots,
    help="Jobs at once, or of each resource: cpu=8,nvenc=2; default: the cores (RUSHES_SLOTS).",
)
@click.option("--ffmpeg", metavar="PATH", help="Else the one on PATH, else a bundled one (RUSHES_FFMPEG).")
@click.option(
    "--grace",
    type=float,
    metavar="SECONDS",
    callback=_check_range,
    help="Between q, SIGTERM and SIGKILL (RUSHES_GRACE).",
)
@click.option("--min-free", metavar="SIZE", help="Room below which no output begins, such as 2GB (RUSHES_MIN_FREE).")
@click.option(
    "--log-format",
    type=click.Choice(["json", "console", "journal"]),
    help="Default: console on a terminal, journal under systemd, else json (RUSHES_LOG_FORMAT).",
)
@click.option("--log-file", metavar="FILE", help="Log there and not to stderr; may be rotated (RUSHES_LOG_FILE).")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Default info (RUSHES_LOG_LEVEL).",
)
@click.option(
    "--metrics-port",
    type=int,
    metavar="PORT",
    help="Metrics for Prometheus on 127.0.0.1; default 0, none (RUSHES_METRICS_PORT).",
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML (RUSHES_CONFIG).")
def main(config: Path | None, **given: Any) -> int:
    """Run the daemon in the foreground; it logs to stderr.

    SIGTERM stops running jobs, queues them again and ends with 0.

    \b
    Example:
      rushes serve --data /var/lib/rushes --bus ipc:///run/rushes --slots 4
    """
    settings = load(given, config)
    endpoints(settings.bus)  # an address that is none is wrong usage; one that cannot be bound is a failed start
    block_signals()
    raise_descriptors()
    collect_seldom()
    assert settings.log_format is not None, "`load` decides it"
    file = None if settings.log_file is None else Path(settings.log_file)
    try:
        logs.configure(settings.log_format, settings.log_level, file)
    except OSError as error:
        complain(f"log file {file} cannot be written: {error.strerror}; choose another with --log-file")
        return EXIT_FAILED
    try:
        return serve(settings)
    finally:
        logs.close()


def serve(settings: Config) -> int:
    """Run a daemon with these settings; its exit status."""
    log = logs.logger(actor="main")
    log.info("daemon_starting", pid=os.getpid(), data=settings.data, bus=settings.bus, slots=settings.slots)
    try:
        daemon = Daemon(settings)
        status = daemon.run()
        if daemon.is_stuck:
            logs.close()
            os._exit(status)
    except (CannotStart, FFmpegMissing, NoWrapper, StoreError, BadAddress) as error:
        is_for_people = settings.log_format == "console"
        if not is_for_people or settings.log_file is not None:
            log.error("daemon_failed", error=str(error))
        if is_for_people or settings.log_file is not None:
            logs.close()
            complain(str(error))
        return EXIT_FAILED
    return status


def run() -> int:
    """Do what `sys.argv` says; the exit status. What is wrong with it is one line, as with every command."""
    try:
        status = main(prog_name=PROGRAM, standalone_mode=False)
    except click.ClickException as error:
        complain(error.format_message())
        click.echo(f"Try `{PROGRAM} --help`.", err=True)
        return USAGE_ERROR
    except (ConfigError, BadAddress) as error:
        complain(str(error))
        return USAGE_ERROR
    except click.Abort:
        return INTERRUPTED
    return int(status or 0)


def complain(problem: str) -> None:
    """A line for people."""
    click.echo(f"{click.style('rushes:', fg='red', bold=True)} {problem}", err=True)


if __name__ == "__main__":
    sys.exit(run())

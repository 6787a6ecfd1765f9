"""`python -m actors`: the daemon's own command line, to which `rushes serve` hands over."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from actors import logs
from actors.config import Config, ConfigError, load
from actors.daemon import EXIT_FAILED, CannotStart, Daemon, block_signals
from actors.ffmpeg.binary import FFmpegMissing
from actors.jobs.database import StoreError
from bus.errors import BadAddress

USAGE_ERROR = 2


@click.command(name="rushes serve")
@click.option("--data", metavar="DIR", help="Where jobs are kept (RUSHES_DATA).")
@click.option("--bus", metavar="ADDRESS", help="ipc:///folder or tcp://127.0.0.1:PORT (RUSHES_BUS).")
@click.option("--slots", type=int, metavar="N", help="Jobs at once; default: the cores (RUSHES_SLOTS).")
@click.option("--ffmpeg", metavar="PATH", help="Else the one on PATH, else a bundled one (RUSHES_FFMPEG).")
@click.option("--grace", type=float, metavar="SECONDS", help="Between q, SIGTERM and SIGKILL (RUSHES_GRACE).")
@click.option("--min-free", metavar="SIZE", help="Room below which no output begins, such as 2GB (RUSHES_MIN_FREE).")
@click.option(
    "--log-format",
    type=click.Choice(["json", "console"]),
    help="Default: console on a terminal, else json (RUSHES_LOG_FORMAT).",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Default info (RUSHES_LOG_LEVEL).",
)
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML (RUSHES_CONFIG).")
def main(config: Path | None, **given: Any) -> None:
    """Run the daemon in the foreground; it logs to stderr.

    SIGTERM stops running jobs, queues them again and ends with 0.

    \b
    Example: rushes serve --data /var/lib/rushes --bus ipc:///run/rushes --slots 4
    """
    block_signals()
    try:
        settings = load(given, config)
    except ConfigError as error:
        click.echo(f"rushes: {error}", err=True)
        sys.exit(USAGE_ERROR)
    logs.configure(settings.log_format, settings.log_level)
    status = serve(settings)
    logs.close()
    sys.exit(status)


def serve(settings: Config) -> int:
    """Run a daemon with these settings; its exit status."""
    log = logs.logger(actor="main")
    log.info("daemon_starting", pid=os.getpid(), data=settings.data, bus=settings.bus, slots=settings.slots)
    try:
        return Daemon(settings).run()
    except (CannotStart, FFmpegMissing, StoreError, BadAddress) as error:
        if settings.log_format == "json":
            log.error("daemon_failed", error=str(error))  # for whoever reads the log; the next line is for people
        logs.close()
        click.echo(f"rushes: {error}", err=True)
        return EXIT_FAILED


if __name__ == "__main__":
    main(prog_name="rushes serve")

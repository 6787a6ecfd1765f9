"""The demo's stage: a daemon of its own in a folder of its own, both gone when the demo ends, however it ends."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from bus.client import Client
from bus.errors import BusError, Busy, NoDaemon
from cli import text
from cli.output import note

SLOTS = 2
"""So that jobs have to wait, and there is something to boost."""

START_SECONDS = 20.0
"""For the daemon to answer; half a second, unless the machine is very busy."""

STOP_SECONDS = 20.0
"""For the daemon to end: the stop ladder's three steps and some room."""

ASK_SECONDS = 0.3
ASK_AGAIN_SECONDS = 0.02
"""For one answer while the daemon starts, and from one that says `busy` to the next question."""

SHOWN_CHARS = 2000
"""Of the daemon's log, where it did not start."""


class Stage:
    """A running daemon, a client of it, and the folder in which the demo's files are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus = f"ipc://{folder}/bus"
        self.exit_status: int | None = None
        self._log = folder / "daemon.log"
        command = [sys.executable, "-P", "-m", "actors", "--data", str(folder / "data"), "--bus", self.bus]
        command += ["--slots", str(SLOTS), "--log-format", "console"]
        # What the user has set is for the user's own daemon; only the choice of FFmpeg is taken from there.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RUSHES_") or name == "RUSHES_FFMPEG"
        }
        with self._log.open("wb") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 # our own interpreter, our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the daemon in order
            )
        self.client = Client(self.bus)

    def await_daemon(self) -> None:
        """Return once the daemon answers.

        Raises:
            click.ClickException: it ended, or took too long; with what it said.

        """
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._daemon.poll() is None:
            with Client(self.bus, deadline=ASK_SECONDS) as client, suppress(NoDaemon, Busy):
                client.status()
                return
            time.sleep(ASK_AGAIN_SECONDS)
        note(text.clean_log(self._log.read_text(errors="replace")[-SHOWN_CHARS:]).rstrip())
        raise click.ClickException("the demo's daemon did not start; above is what it said")

    def stop(self) -> int:
        """End the daemon, as a user would, else by force; its exit status."""
        if self._daemon.poll() is None:
            try:
                self.client.shutdown()
            except BusError:
                self._daemon.terminate()
        try:
            self.exit_status = self._daemon.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self.exit_status = self._daemon.wait()
        self.client.close()
        return self.exit_status


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage, struck in the end."""
    folder = Path(tempfile.mkdtemp(prefix="rushes-demo-"))
    try:
        made = Stage(folder)
        try:
            made.await_daemon()
            yield made
        finally:
            if made.exit_status is None:
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""`rushes doctor`, asked about the daemon of one data folder and one bus."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.daemon import Daemon, clean_environment
from tests.support.shell import DONE, RUSHES

NOBODY = 65534
"""The user of that name."""

NO_FFMPEG = "/bin/true"
"""Where FFmpeg is not what is looked at: its trials are most of what a doctor takes."""

MAY_DIFFER = {
    "clock", "filesystem", "fsync", "hardware", "systemd", "processes", "memory", "shared memory", "encoders",
    "round trip",
}  # fmt: skip
"""What is a warning on some machines on which the tests run, and right there."""


class Line(NamedTuple):
    state: str
    message: str
    remedy: str | None


class Told(NamedTuple):
    """What a doctor said."""

    status: int
    lines: dict[str, list[Line]]

    def one(self, check: str) -> Line:
        """The only line of a check."""
        (line,) = self.lines[check]
        return line

    def states(self, state: str) -> set[str]:
        """The checks that have a line of that state."""
        return {check for check, lines in self.lines.items() if any(line.state == state for line in lines)}


class Doctor:
    """Asks about the daemon of one data folder and one bus."""

    def __init__(self, data: Path, bus: str, **options: object) -> None:
        self.words = ["--data", str(data), "--bus", bus]
        for name, value in options.items():
            self.words += [f"--{name.replace('_', '-')}", str(value)]

    def ask(self, *, program: Sequence[str] = (RUSHES, "doctor"), before: Sequence[str] = ()) -> Told:
        run = subprocess.run(
            [*before, *program, *self.words, "--json"],
            capture_output=True, text=True, check=False, timeout=60, env=clean_environment(),
        )  # fmt: skip
        assert run.stderr == ""
        return told(run.returncode, run.stdout)


def told(status: int, out: str) -> Told:
    document = json.loads(out)
    lines: dict[str, list[Line]] = {}
    for found in document["findings"]:
        assert found.keys() == {"check", "state", "message", "remedy"}
        lines.setdefault(found["check"], []).append(Line(found["state"], found["message"], found["remedy"]))
    answer = Told(status, lines)
    assert document["ok"] is (status == DONE)
    assert bool(answer.states("fail")) is (status != DONE)
    return answer


def of(daemon: Daemon, **options: object) -> Doctor:
    """One who is asked about a daemon."""
    return Doctor(daemon.data, daemon.bus, **options)


def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own, and short enough for a bus; gone afterwards."""
    found = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)

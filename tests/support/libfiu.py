"""System calls of a daemon that fail by chance: libfiu, preloaded into that one process.

SIGKILL cannot prove an fsync, for what was written is in the kernel's cache either way. Debian: `fiu-utils`.
"""

import errno
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.daemon import Daemon

FOLDER = Path("/usr/lib/fiu")
PRELOADED = [FOLDER / "fiu_run_preload.so", FOLDER / "fiu_posix_preload.so"]
CONTROL = "fiu"
"""In the daemon's folder, the beginning of the names of the two FIFOs by which libfiu is told what to do."""

CONTROL_SECONDS = 10


class Fault(NamedTuple):
    """Calls that fail: libfiu's name for them, and the error that they fail with."""

    point: str
    error: int

    def __str__(self) -> str:
        return f"{self.point.rpartition('/')[2]} {errno.errorcode[self.error]}"


def preload() -> dict[str, str]:
    """The environment of a daemon whose system calls can be made to fail; skips the test where libfiu is missing."""
    missing = [str(path) for path in PRELOADED if not path.exists()]
    if missing or shutil.which("fiu-ctrl") is None:
        pytest.skip(f"libfiu is not installed (apt-get install fiu-utils): {', '.join(missing) or 'no fiu-ctrl'}")
    return {"LD_PRELOAD": " ".join(map(str, PRELOADED)), "FIU_CTRL_FIFO": f"{{base}}/{CONTROL}"}


def fail(daemon: Daemon, fault: Fault, probability: float) -> None:
    """From now on such calls of the daemon fail with this probability."""
    _control(daemon, f"enable_random name={fault.point},probability={probability},failinfo={fault.error}")


@contextmanager
def failing(daemon: Daemon, fault: Fault, probability: float) -> Iterator[None]:
    """Within, such calls of the daemon fail with this probability."""
    fail(daemon, fault, probability)
    yield
    _control(daemon, f"disable name={fault.point}")


def _control(daemon: Daemon, order: str) -> None:
    base = str(daemon.base / CONTROL)
    done = subprocess.run(
        ["fiu-ctrl", "-f", base, "-c", order, str(daemon.pid)],
        capture_output=True, text=True, check=True, timeout=CONTROL_SECONDS,
    )  # fmt: skip
    assert not done.stdout, f"libfiu does not take {order!r}: {done.stdout}"

"""A wall clock that a test sets while the daemon runs: a library of a few lines, made on the spot and preloaded."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.daemon import Daemon

SOURCE = Path(__file__).with_suffix(".c")
DAY = 86_400


def compiler() -> str | None:
    """The C compiler, where there is one."""
    return shutil.which("cc")


def build(folder: Path) -> Path:
    """The library. Needs a compiler."""
    library = folder / "wallclock.so"
    cc = compiler()
    assert cc is not None, "asked for before"
    subprocess.run([cc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"], check=True)
    return library


class ShiftedDaemon(Daemon):
    """A daemon on whose wall clock it is as many seconds later as `shift` says. Its children see the real time."""

    def __init__(self, library: Path, *, more: Mapping[str, str], **options: Any) -> None:
        env = {"LD_PRELOAD": str(library), "WALL_CLOCK_SHIFT": "{base}/shift", **more}
        super().__init__(env=env, **options)
        self.shift(0)

    def shift(self, seconds: int) -> None:
        """Set its wall clock so far ahead of the real one, or behind."""
        fresh = self.base / "shift.new"
        fresh.write_text(str(seconds))
        fresh.rename(self.base / "shift")

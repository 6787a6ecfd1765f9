"""A real terminal, with a person at it: tmux, with a server of its own."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.processes import eventually, kill_all, mentions, processes
from tests.support.shell import CONTROL, RUSHES, Shell, Word

TMUX = shutil.which("tmux")

CONFIGURATION = "set -g escape-time 0\nset -g history-limit 0\n"
"""Escape is Escape and not the begin of another key."""

AS_A_SHELL = """
set -m
trap : INT
"$@"
status=$?
while [ $status -eq 147 ] || [ $status -eq 148 ]; do
    echo stopped
    read -r
    fg >/dev/null
    status=$?
done
echo "ended with $status"
exec sleep 1000
"""
"""Job control as a person's shell has it: what was stopped with Ctrl-Z goes on with Enter. It tells the exit status,
since tmux itself does not always notice an end.
"""

REVERSE = re.compile(r"\x1b\[(?:\d+;)*7m")
"""How tmux tells of a line in reverse."""


class Tmux:
    """`rushes` in a window of tmux. Ended with its block, at the latest."""

    def __init__(self, shell: Shell, *words: Word, columns: int = 80, lines: int = 24) -> None:
        # Short, and not pytest's own: a socket's path has 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
        (self._folder / "conf").write_text(CONFIGURATION)
        self._environment = {**shell.environment, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        size = ("-x", str(columns), "-y", str(lines))
        self._ask(
            "-f",
            str(self._folder / "conf"),
            "new-session",
            "-d",
            *size,
            "bash",
            "-c",
            AS_A_SHELL,
            "bash",
            RUSHES,
            *map(str, words),
        )

    def _ask(self, *words: str) -> str:
        assert TMUX is not None, "tmux is not installed"
        run = subprocess.run(
            [TMUX, "-u", "-S", str(self._folder / "socket"), *words],
            capture_output=True, text=True, check=True, env=self._environment,
        )  # fmt: skip
        return run.stdout

    def press(self, *keys: str) -> None:
        """Keys by tmux' names: `Down`, `Enter`, `c`, `C-c`."""
        self._ask("send-keys", *keys)

    def write(self, words: str) -> None:
        self._ask("send-keys", "-l", words)

    def resize(self, columns: int, lines: int) -> None:
        self._ask("resize-window", "-x", str(columns), "-y", str(lines))

    def wipe(self) -> None:
        """What other output does to a screen: all is gone, once nothing is drawn any more that was asked for before."""

        def wiped() -> bool:
            self._ask("send-keys", "-R")
            return not self.text.strip()

        eventually(wiped, "nothing draws by itself")

    @property
    def text(self) -> str:
        """What a person reads now."""
        return self._ask("capture-pane", "-p")

    def reads(self, *parts: str) -> str:
        """Wait until one line has all that in it; the line."""

        def look() -> str:
            lines = self.text.splitlines()
            return next((line for line in lines if all(part in line for part in parts)), "")

        try:
            return eventually(look, f"{parts} are read in one line")
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen:\n{self.text}") from error

    @property
    def chosen(self) -> str:
        """The line that is shown in reverse, cleaned of colours; empty where there is none."""
        lines = self._ask("capture-pane", "-p", "-e").splitlines()
        return CONTROL.sub("", next((line for line in lines if REVERSE.search(line)), ""))

    def choose(self, part: str) -> None:
        """Go down to the line with that in it."""
        self.reads(part)
        while part not in (before := self.chosen):
            self.press("Down")
            eventually(lambda: self.chosen != before, f"another line than {before!r} is chosen")  # at once

    def ended(self) -> int:
        """Wait for the end of what runs in it; its exit status."""
        return int(self.reads("ended with ").partition("ended with ")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ask("kill-server")

        def left() -> list[object]:
            return [one for one in processes() if mentions(one.pid, str(self._folder))]

        try:
            eventually(lambda: not left(), "tmux ends", timeout=10)
        finally:
            kill_all([one for one in processes() if mentions(one.pid, str(self._folder))])
            shutil.rmtree(self._folder)

"""`rushes` as its users have it: a process in a pipe, one in the background, one at a terminal with a person at it."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.support.daemon import SCRIPT, clean_environment
from tests.support.processes import eventually
from tests.support.wire import PATIENCE, Map

RUSHES = SCRIPT[0]

DONE, REFUSED, WRONG_USAGE, NO_DAEMON = 0, 1, 2, 3
INTERRUPTED, PIPE_CLOSED = 130, 141
"""128 and the signal's number, as shells count."""

RUN_SECONDS = 60

ESCAPE = "\x1b"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""What a terminal obeys and nobody reads: colours and moves of the cursor."""

END_OF_INPUT = "\x04"
"""Ctrl-D."""

Word = str | Path


class Ran(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str

    def json(self) -> Map:
        """The one document that it printed."""
        found: Map = json.loads(self.out)
        return found


class Shell:
    """Somebody's shell: it stands in a folder, and has the bus in its environment.

    Args:
        bus: the bus address.
        folder: the working folder.
        env: what else it has in its environment.

    """

    def __init__(self, bus: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        inherited = {name: value for name, value in clean_environment().items() if name != "NO_COLOR"}
        self.environment = {**inherited, "RUSHES_BUS": bus, "TERM": "xterm", **(env or {})}

    def run(self, *words: Word, stdin: str | None = None) -> Ran:
        """Run a command to its end; without `stdin`, it has none."""
        run = subprocess.run(
            [RUSHES, *map(str, words)],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
            env=self.environment, cwd=self.folder,
        )  # fmt: skip
        assert "Traceback" not in run.stderr, run.stderr
        return Ran(run.returncode, run.stdout, run.stderr)

    def do(self, *words: Word, stdin: str | None = None) -> str:
        """Run a command that must succeed; what it prints."""
        ran = self.run(*words, stdin=stdin)
        assert ran.status == DONE, f"{words} ended with {ran.status}: {ran.err}"
        return ran.out

    def result(self, *words: Word, stdin: str | None = None) -> Map:
        """Run a command that must succeed with `--json`; the document."""
        command, *rest = words
        found: Map = json.loads(self.do(command, "--json", *rest, stdin=stdin))
        return found

    def fails(self, status: int, *words: Word, stdin: str | None = None) -> str:
        """Run a command that must end with that status; what it says on stderr."""
        ran = self.run(*words, stdin=stdin)
        assert ran.status == status, f"{words} ended with {ran.status}: {ran.out}{ran.err}"
        assert ran.err, f"{words} ended with {status} without a word"
        return ran.err

    def each(self, commands: Iterable[Sequence[Word]]) -> list[Ran]:
        """Run commands side by side, as many as there are cores; what came of each."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(lambda words: self.run(*words), commands))

    def completions(self, *words: str) -> set[str]:
        """What bash is offered for the last of the words."""
        asked = {"_RUSHES_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        run = subprocess.run(
            [RUSHES], capture_output=True, text=True, check=True, timeout=RUN_SECONDS,
            env={**self.environment, **asked},
        )  # fmt: skip
        assert run.stderr == ""
        return {line.partition(",")[2] for line in run.stdout.splitlines() if line}

    def script(self, text: str) -> Ran:
        """Run a script of bash, in which `rushes` is on the path."""
        path = f"{Path(RUSHES).parent}:{self.environment['PATH']}"
        run = subprocess.run(
            ["bash", "-c", text], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
            env={**self.environment, "PATH": path}, cwd=self.folder,
        )  # fmt: skip
        return Ran(run.returncode, run.stdout, run.stderr)

    def behind(self, *words: Word) -> "Behind":
        """Start a command that goes on by itself."""
        return Behind(self, words)

    def terminal(self, *words: Word, columns: int = 100) -> "Terminal":
        """Start a command at a terminal."""
        return Terminal(self, words, columns)


class Behind:
    """A command in the background. Ended with its block, at the latest."""

    def __init__(self, shell: Shell, words: tuple[Word, ...]) -> None:
        self._files = [tempfile.TemporaryFile("w+b") for _ in "oe"]  # noqa: SIM115 # closed in `__exit__`
        out, err = self._files
        self._process = subprocess.Popen(
            [RUSHES, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=shell.environment, cwd=shell.folder,
        )  # fmt: skip

    @property
    def out(self) -> str:
        """What it has printed so far."""
        return self._read(0)

    @property
    def err(self) -> str:
        return self._read(1)

    def events(self) -> list[Map]:
        """The lines of JSON that it has printed so far; one that is not yet whole is left out."""
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line.endswith("\n")]

    def await_event(self, kind: str, job_id: str | None = None) -> Map:
        """The first event of that type among its lines of JSON."""

        def look() -> Map | None:
            fits = (event for event in self.events() if event["type"] == kind and job_id in (None, event["job_id"]))
            return next(fits, None)

        found = eventually(look, f"{kind} of {job_id or 'anybody'} is printed")
        assert found is not None
        return found

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def interrupt(self) -> int:
        """Ctrl-C; its exit status."""
        self.signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        """Wait for its end; its exit status."""
        return self._process.wait(PATIENCE)

    def _read(self, number: int) -> str:
        descriptor = self._files[number].fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for file in self._files:
            file.close()


class Terminal:
    """A command at a terminal of 24 lines. Ended with its block, at the latest."""

    def __init__(self, shell: Shell, words: tuple[Word, ...], columns: int) -> None:
        self.shown = ""
        self._master, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        try:
            self._process = subprocess.Popen(
                [RUSHES, *map(str, words)],
                stdin=theirs, stdout=theirs, stderr=theirs,
                env=shell.environment, cwd=shell.folder, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(theirs)

    @property
    def text(self) -> str:
        """What a person could read so far."""
        return CONTROL.sub("", self.shown).replace("\r\n", "\n")

    def await_text(self, text: str) -> str:
        """Wait until a person can read `text`; all that was readable by then."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            assert self._take(end), f"{text!r} did not come, but {self.text!r}"
        return self.text

    def write(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def interrupt(self) -> None:
        """What Ctrl-C does: it is not the session's controlling terminal, so the key alone would do nothing."""
        self._process.send_signal(signal.SIGINT)

    def ended(self) -> int:
        """Wait for its end; its exit status."""
        end = time.monotonic() + PATIENCE
        while self._take(end):
            pass
        return self._process.wait(max(0.0, end - time.monotonic()))

    def _take(self, end: float) -> bool:
        """Take what has been shown since; False where nothing more will come."""
        if not select.select([self._master], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            piece = os.read(self._master, 65_536)
        except OSError:  # EIO: nobody holds the other side any more
            return False
        self.shown += piece.decode(errors="replace")
        return bool(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

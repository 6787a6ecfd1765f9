"""Which formats FFmpeg takes: each is tried with it, one at a time, in a thread of its own.

Who asks for one that was not tried yet waits for it, but not for long: behind him wait jobs that name no format.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from actors.ffmpeg import failure, seen
from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.child import environment
from actors.ffmpeg.command import argv
from actors.ffmpeg.formats import BUILT_IN, Format
from actors.jobs.admit import admit
from actors.logs import logger
from bus import messages as m
from bus.errors import Busy, CommandRefused
from bus.spec import Input

TRIAL_SECONDS = 20
"""For a tenth of a second of picture and sound, which takes a quarter of one; a hardware encoder may wake up slowly."""

SLOW_SECONDS = 4.0
"""How old a trial may become while somebody waits for it: less than a client's patience, which is 5."""

GIVE_UP_SECONDS = 1.0
"""For a trial to end once its FFmpeg was killed."""

SLOW = "FFmpeg takes long with a format that is being tried; try again"

TRIAL_LENGTH = "0.1"
"""Seconds."""

TRIAL_PREFIX = "format-"
"""How the folders begin in which formats are tried."""

SOURCE = Input("testsrc=duration=0.1:size=320x180:rate=25[out0];sine=duration=0.1[out1]", ("-f", "lavfi"))
"""What a format is tried with: one input of picture and sound, as most jobs have one."""


class Tried(NamedTuple):
    """What came of a trial: why a job could not have the format, None where it can; and whether that stays so."""

    error: str | None
    is_lasting: bool = True


class Trials:
    """Of the configuration's own formats and those built in.

    Until `start` one thread has it for itself, and may `try_all` or ask what is `wrong`.
    """

    def __init__(self, own: Mapping[str, Format], ffmpeg: FFmpeg, work: Path) -> None:
        self._log = logger(actor="formats")
        self._own = own
        self._all = {**BUILT_IN, **own}
        self._built_in = {name: one for name, one in BUILT_IN.items() if name not in own}
        self._ffmpeg = ffmpeg
        self._work = work
        self._tried: dict[str, Tried] = {}
        self._wanted: set[str] = set()
        self._begun: float | None = None  # the trial that is under way
        self._is_ended = False
        self._news = threading.Condition()
        """To be held for a look at what was tried and what is wanted, or a change of it."""
        self._trial: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        for left in work.glob(f"{TRIAL_PREFIX}*"):  # by a daemon that was killed
            shutil.rmtree(left, ignore_errors=True)

    # ------------------------------------------------------------ before the thread

    def wrong(self) -> str | None:
        """What is wrong with one of the configuration's own, and stays so; None where there is no such one."""
        for name in self._own:
            tried = self._find_out(name)
            if tried.error is not None and tried.is_lasting:
                return f"format {name} of the configuration cannot be used: {tried.error}"
        return None

    def recall(self) -> None:
        """Take it that FFmpeg takes those built in, where an earlier daemon has seen it."""
        if seen.was_seen(self._ffmpeg, self._built_in):
            self._tried.update(dict.fromkeys(self._built_in, Tried(None)))

    def try_all(self) -> Mapping[str, str | None]:
        """Try each now, however long it takes: for each name why FFmpeg does not take it, None where it does."""
        return {name: self._find_out(name).error for name in self._all}

    def start(self, failed: Callable[[BaseException], None]) -> None:
        """Try what was not tried yet, and from then on what is asked for again, in a thread of its own.

        Args:
            failed: called from that thread when it dies of an error.

        """
        self._wanted = {name for name in self._all if not self._is_known(name)}
        self._thread = threading.Thread(target=self._run, args=(failed,), name="formats", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------ any thread

    def error(self, name: str) -> str | None:
        """Why FFmpeg does not take a format; None where it does. Found out once, but for what another day may mend.

        Raises:
            Busy: FFmpeg takes too long to wait for.

        """
        with self._news:
            if not self._is_known(name):
                self._wanted.add(name)
                self._news.notify_all()
            while name in self._wanted:
                left = SLOW_SECONDS if self._begun is None else self._begun + SLOW_SECONDS - time.monotonic()
                if left <= 0 or self._is_ended:
                    raise Busy(SLOW)
                self._news.wait(left)
            return self._tried[name].error

    def stop(self) -> None:
        """Try no more; whoever waits is told so."""
        with self._news:
            self._is_ended = True
            self._news.notify_all()
        if (trial := self._trial) is not None:
            trial.kill()
        if self._thread is not None:
            self._thread.join(GIVE_UP_SECONDS)

    # ------------------------------------------------------------ the thread

    def _run(self, failed: Callable[[BaseException], None]) -> None:
        try:
            self._try_first()
            while (name := self._next()) is not None:
                self._find_out(name)
        except BaseException as error:  # noqa: BLE001 # the thread's last word; the daemon ends itself on it
            failed(error)

    def _try_first(self) -> None:
        """Tell of each that no job can have. That FFmpeg takes those built in is kept for `recall`."""
        for name in [name for name in self._all if name in self._wanted]:
            error = self._find_out(name).error
            if self._is_ended:
                return
            if error is not None:
                self._log.warning("format_unusable", format=name, error=error)
        if not any(self._tried[name].error for name in self._built_in):
            seen.remember(self._ffmpeg, self._built_in)

    def _next(self) -> str | None:
        """What is asked for, as soon as something is; None at the end."""
        with self._news:
            self._news.wait_for(lambda: self._wanted or self._is_ended)
            return None if self._is_ended else next(iter(self._wanted))

    # ------------------------------------------------------------ a trial

    def _is_known(self, name: str) -> bool:
        tried = self._tried.get(name)
        return tried is not None and tried.is_lasting

    def _find_out(self, name: str) -> Tried:
        with self._news:
            self._begun = time.monotonic()
        tried = self._try(self._all[name])
        with self._news:
            self._begun = None
            self._tried[name] = tried
            self._wanted.discard(name)
            self._news.notify_all()
        return tried

    def _try(self, preset: Format) -> Tried:
        """What comes of a job with it, or of an encode."""
        try:
            with tempfile.TemporaryDirectory(dir=self._work, prefix=TRIAL_PREFIX) as folder:
                return self._encode(preset, folder)
        except OSError as error:
            return Tried(f"it cannot be tried now: {error.strerror}", is_lasting=False)

    def _encode(self, preset: Format, folder: str) -> Tried:
        target = f"{folder}/trial{preset.extension}"
        made = m.Output(target, (*preset.args, "-t", TRIAL_LENGTH), inputs=preset.inputs or None)
        try:
            admit(m.JobSpec(inputs=(SOURCE,), outputs=(made,)))
        except CommandRefused as refused:
            return Tried(f"{str(refused.details['path']).removeprefix('job.outputs[0].')}: {refused.message}")
        made = replace(made, args=(*made.args, "-v", "error"), inputs=(SOURCE, *preset.inputs))
        command = argv(self._ffmpeg, m.JobSpec(outputs=(made,)), 0, target, f"{folder}/progress")
        with subprocess.Popen(  # noqa: S603 # the operator's own arguments, without a shell
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            errors="replace", env=environment(),
        ) as self._trial:  # fmt: skip
            if self._is_ended:  # `stop` may have come before there was anything to kill
                self._trial.kill()
            try:
                _, said = self._trial.communicate(timeout=TRIAL_SECONDS)
            except subprocess.TimeoutExpired:
                self._trial.kill()
                return Tried(f"FFmpeg did not end within {TRIAL_SECONDS} s")
            status = self._trial.returncode
        if status == 0 and Path(target).exists() and Path(target).stat().st_size:
            return Tried(None)
        failed = failure.explain(status, said)
        return Tried(failed.message, is_lasting=not failed.retryable)

"""The composition root: what the daemon is made of, in the order in which it starts, and its ordered stop."""

import contextlib
import fcntl
import gc
import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pykka

from actors.admission import Admission
from actors.archive import Archive
from actors.base import ADMISSION, ARCHIVE, JANITOR, QUEUE, SUPERVISOR, WATCHDOG, WORK_FOLDER
from actors.config import Config
from actors.discard import Discard
from actors.ffmpeg import binary, formats
from actors.ffmpeg.format_trials import Trials
from actors.ffmpeg.wrapper import wrapper
from actors.janitor import Janitor, JanitorSettings
from actors.job_queue import Queue, QueueSettings
from actors.jobs.database import CHECK_SECONDS
from actors.jobs.keeper import open_store
from actors.jobs.ledger import Settings
from actors.jobs.model import timestamp
from actors.jobs.reads import About
from actors.jobs.retention import Policy
from actors.logs import logger
from actors.mail import BeginStop, StartRender
from actors.metrics.service import Metrics
from actors.render import Render, RenderSettings
from actors.supervisor import Supervisor
from actors.systemd import Notifier
from actors.watcher import Watcher
from actors.webhooks.cursor import Place
from actors.webhooks.service import Webhooks
from bus import codec
from bus.auth import Guard, user_name
from bus.hub import Hub
from bus.messages import AnyCommand, Audit, Backup, Events, Formats, Get, List, Log, Session, Submit

EXIT_OK, EXIT_FAILED = 0, 1

GRACES_TO_STOP = 3
"""An ordered stop takes no longer than so many graces; the ladder takes two."""

STOP_SECONDS = 5.0
"""How long one actor may take to end once it is asked to; each needs milliseconds, the Janitor as long as an unlink."""

END_OF_SIGNALS = signal.SIGUSR2
"""What ends the thread that waits for signals; from outside it does nothing else."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, END_OF_SIGNALS)

SENT_BY_A_PROCESS = (0, -1)
"""SI_USER and SI_QUEUE (sigaction(2)): only with these does the kernel say whose process sent a signal."""

GARBAGE_OBJECTS = 50_000
"""New containers between two looks for cycles of garbage: some MB. At Python's own 700 the looks took a tenth of a busy
daemon's time."""

TURNS = {ARCHIVE: 4, ADMISSION: 16, JANITOR: 1}
"""Commands that an actor takes at once which works at each by itself: a `list` may take 50 ms, a slow disk longer."""

LOCK_FILE = "lock"


def block_signals() -> None:
    """Keep the signals that end the daemon until somebody waits for them; first thing, so that none is missed.

    It holds for every thread made afterwards: one of them waits for these.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def raise_descriptors() -> None:
    """Take as many descriptors as the system gives: a connection has one, and so has each child."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def collect_seldom() -> None:
    """Look for cycles of garbage less often: this program makes few, and lets go of what it takes as it goes."""
    gc.freeze()  # what stands now stands until the end
    gc.set_threshold(GARBAGE_OBJECTS)


class CannotStart(Exception):
    """The daemon cannot start; the message says why and what to do."""


def route(command: AnyCommand) -> str:
    """Which actor's work a command is. A `get` that waits needs the turn that ends the job: the Queue's."""
    if isinstance(command, (Submit, Formats)):
        return ADMISSION
    if isinstance(command, Get):
        return QUEUE if command.wait else ARCHIVE
    if isinstance(command, Backup):
        return JANITOR
    return ARCHIVE if isinstance(command, (List, Session, Events, Log, Audit)) else QUEUE


def claim(data: Path) -> int:
    """Make the data folder and lock it for this process; the lock's descriptor. Raises `CannotStart`."""
    try:
        for folder in (data, data / WORK_FOLDER):  # with `parents` alone, the first would be open to all
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data / LOCK_FILE, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip()
            os.close(lock)
            raise CannotStart(
                f"another daemon (pid {holder or 'unknown'}) uses the data folder {data}; end it first, or choose "
                "another with --data"
            ) from None
    except OSError as error:
        raise CannotStart(f"data folder {data} cannot be used: {error.strerror}") from None
    with contextlib.suppress(OSError):  # a full disk: then the next who comes is told less
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def measured(port: int) -> Metrics | None:
    """The metrics that are to be had on a port; None where it is 0. Raises `CannotStart`."""
    try:
        return Metrics.of(port)
    except OSError as error:
        raise CannotStart(
            f"metrics port 127.0.0.1:{port} cannot be used: {os.strerror(error.errno or 0)}; choose another with "
            "--metrics-port, or 0 for none"
        ) from None


class Daemon:
    """The whole of it, in one process. Made and run in the main thread.

    Raises:
        CannotStart: the data folder or the metrics' port is in use or unusable.
        FFmpegMissing: there is no FFmpeg that runs.
        NoWrapper: it cannot be run as is configured.
        StoreError: the store cannot be opened.
        BadAddress: the bus cannot be bound.

    """

    def __init__(self, config: Config) -> None:
        self._log = logger(actor="main")
        self.is_stuck = False
        """True after `run` where a thread did not end: only the end of the process ends it."""
        self._outcome: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._started = (timestamp(), time.monotonic())
        self._lock = claim(Path(config.data))
        data = Path(config.data).resolve()  # as /proc shows it
        ffmpeg = binary.find(config.ffmpeg)
        ffmpeg = ffmpeg._replace(wrapper=wrapper(config.children, ffmpeg.path))
        self._log.info("ffmpeg_found", path=ffmpeg.path, version=ffmpeg.version)
        self._trials = Trials(config.formats, ffmpeg, data / WORK_FOLDER)
        if (wrong := self._trials.wrong()) is not None:
            raise CannotStart(wrong)
        self._trials.recall()
        self._formats = formats.Formats(config.formats, self._trials.error)
        store = open_store(data, CHECK_SECONDS)  # one that cannot be used is told of here
        history = Place(store.meta("epoch") or "", store.records.last_seq())
        store.close()
        guard = Guard(config.roles, config.default_role)
        self._metrics = measured(config.metrics.port)
        traffic, tally = (None, None) if self._metrics is None else (self._metrics.traffic, self._metrics.tally)
        self._hub = Hub(config.bus, route, guard, self._notice, self._failed, TURNS, traffic)
        self._notifier = Notifier.of()
        if self._notifier is not None:
            self._hub.register(WATCHDOG, self._notifier)
        self._watcher = Watcher(self._hub, self._failed)
        self._queue_settings = QueueSettings(
            data=data,
            about=About(version("rushes"), *self._started),
            policy=Policy(config.keep_files, config.retention.max_bytes, config.retention.events_days),
            ledger=Settings(config.slots, config.retry_delay, GRACES_TO_STOP * config.grace, tally),
        )
        self._render_settings = RenderSettings(ffmpeg, config.grace, data / WORK_FOLDER, config.min_free)
        self._janitor_settings = JanitorSettings(
            data=data,
            work=data / WORK_FOLDER,
            min_free=config.min_free,
            backup_hours=config.backup.every_hours,
            backup_keep=config.backup.keep,
            is_checked=store.checked,
        )
        self._queue_is_first = True
        self._webhooks = Webhooks(config.notify, config.bus, data, history)

    # ------------------------------------------------------------ the parts

    def _start_queue(self) -> pykka.ActorRef[Any]:
        first, self._queue_is_first = self._queue_is_first, False
        return Queue.start(self._hub, self._watcher, self._queue_settings, first=first)

    def _start_archive(self) -> pykka.ActorRef[Any]:
        return Archive.start(self._hub, self._queue_settings.data, self._render_settings.work)

    def _start_admission(self) -> pykka.ActorRef[Any]:
        return Admission.start(self._hub, self._formats)

    def _start_janitor(self) -> pykka.ActorRef[Any]:
        return Janitor.start(self._hub, self._watcher, self._janitor_settings)

    def _start_render(self, order: StartRender) -> pykka.ActorRef[Any]:
        actor = Render if order.discard is None else Discard
        return actor.start(self._hub, self._watcher, self._render_settings, order)

    # ------------------------------------------------------------ its life

    def run(self) -> int:
        """Serve until a shutdown, a signal or a failure; the exit status."""
        block_signals()  # whoever made this daemon may not have
        codec.prepare()
        self._hub.start()
        self._watcher.start()
        self._trials.start(self._failed)
        if self._metrics is not None:
            data, about = self._queue_settings.data, self._queue_settings.about
            ffmpeg = self._render_settings.ffmpeg
            self._metrics.start(self._hub, self._webhooks, data, about.version, ffmpeg.version)
        parts = {
            QUEUE: self._start_queue,
            ARCHIVE: self._start_archive,
            JANITOR: self._start_janitor,
            ADMISSION: self._start_admission,
        }
        stop_seconds = self._queue_settings.ledger.stop_seconds
        supervisor = Supervisor.start(
            self._hub, self._watcher, parts, self._start_render, stop_seconds, self._outcome.put
        )
        signals = threading.Thread(target=self._relay_signals, name="signals", daemon=True)
        signals.start()
        self._webhooks.start()
        self._log.info("daemon_ready")
        status = self._outcome.get()
        if self._notifier is not None:
            self._notifier.ending()
        self._webhooks.stop()
        self._trials.stop()  # Admission may wait for one
        try:
            supervisor.stop(timeout=STOP_SECONDS)
            pykka.ActorRegistry.stop_all(timeout=STOP_SECONDS)  # in the reverse order of their start
        except pykka.Timeout as stuck:
            # A thread that hangs in the kernel (a dead NFS) cannot be ended; all it could lose is on disk.
            self._log.error("daemon_failed", error=f"an actor did not end within {stuck}; leaving it behind")
            self.is_stuck = True
            return status
        signal.pthread_kill(signals.ident or 0, END_OF_SIGNALS)
        signals.join()
        if self._metrics is not None:
            self._metrics.stop()
        self._watcher.stop()
        self._hub.stop()
        if self._notifier is not None:
            self._notifier.close()
        os.close(self._lock)
        self._log.info("daemon_stopped", exit_status=status)
        return status

    def _relay_signals(self) -> None:
        """The thread that waits for signals and makes mail of them."""
        outbox = self._hub.outbox()
        while (came := signal.sigwaitinfo(SIGNALS)).si_signo != END_OF_SIGNALS:
            by = user_name(came.si_uid) if came.si_code in SENT_BY_A_PROCESS else None
            outbox.mail(SUPERVISOR, BeginStop(signal=signal.Signals(came.si_signo).name, by=by))
            outbox.flush()
        outbox.close()

    def _notice(self, name: str, keys: Mapping[str, Any]) -> None:
        self._log.warning(name, **keys)

    def _failed(self, error: BaseException) -> None:
        self._log.error("daemon_failed", error=repr(error), exc_info=error)
        self._outcome.put(EXIT_FAILED)

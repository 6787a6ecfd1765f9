"""The daemon's log: one line for each thing that happened, with a name from this catalogue.

`job_id`, `command_id`, `by` and `actor` stand in every line to which they apply.
"""

import contextlib
import logging
import queue
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog

CATALOGUE: dict[str, str] = {
    # the daemon
    "daemon_starting": "the process runs: version, pid, data folder, bus, slots",
    "ffmpeg_found": "which FFmpeg will be used: path, version",
    "daemon_ready": "commands are taken",
    "daemon_stopping": "an ordered stop began: mode, by whom, by which signal",
    "stop_overdue": "an ordered stop took too long; what still runs is left for the next daemon: jobs",
    "daemon_stopped": "everything has ended in order: exit status",
    "daemon_failed": "the daemon ends because it cannot go on: why",
    "actor_died": "an actor ended with an error: address, error, traceback",
    "actor_restarted": "it was started again: address, restarts within the window",
    "restart_budget_spent": "too many restarts in too short a time; the daemon ends, its children run on",
    # commands
    "command_done": "it was carried out and is on disk: type, by, command_id, job_id",
    "command_refused": "it was refused: type, by, command_id, code, message",
    "command_failed": "a defect showed while it was handled; nothing was changed: traceback",
    "connections_refused": "most descriptors are in use: whoever comes is cut off until some have left: limit",
    "reply_dropped": "clients did not take replies: why, and how many since the last such line",
    "store_unavailable": "a transaction could not be written, nothing of it was changed: error",
    "store_reopened": "after the disk had failed, the store was opened anew and holds all that was acknowledged",
    "store_full": "the disk of the data folder is full: only cancel, delete, drain, resume and shutdown are taken",
    "store_has_room": "it has room again, and all commands are taken",
    "store_damaged": "the store cannot be trusted; the daemon ends, its children run on: what to do",
    "backup_made": "a copy of the store: path, size",
    "backup_failed": "no copy of the store could be made: path, error",
    # jobs
    "job_started": "a job got a slot: run, attempt",
    "output_started": "FFmpeg was started for an output: output, run",
    "output_completed": "an output is proved and stands under its name: output, path, size, duration",
    "child_signalled": "a rung of the stop ladder was taken: stage",
    "job_completed": "all outputs are proved",
    "job_failed": "a job failed: code, message, retryable",
    "job_requeued": "a job waits again: why",
    "job_cancelled": "a job was cancelled and its process group is empty: by, reason",
    "job_deleted": "a job is gone: removed, missing, failed",
    "job_expired": "a job's time was over and it is gone: removed, missing, failed",
    "disk_low": "a disk has too little room for another output, and jobs for it wait: path, free, floor",
    "disk_ok": "it has room again: path, free",
    # renders
    "child_started": "a process group was made: pid, output, run",
    "child_adopted": "a child of an earlier daemon was found and taken over: pid, output, run",
    "child_lost": "a child of an earlier daemon could not be taken over: output, run, why",
    "child_ended": "a process group is empty: pid, output, run, exit_status",
    "leftover_removed": "a file that a crash had left was removed: path",
    "log_lines_dropped": "the log's reader was too slow for so many lines before this one: lines",
    "leftover_kept": "a file that a crash had left could not be removed: path, error",
}

MAX_WAITING_LINES = 10_000
"""Lines that wait for a slow terminal or pipe: some megabytes, some seconds of a flood."""

LINES_AT_ONCE = 100
"""Lines written together where more wait: a write each would cost more than they do."""

CLOSE_SECONDS = 1.0
"""What the last lines may take at the end."""

Level = Literal["debug", "info", "warning", "error"]


class UnknownLogEvent(KeyError):
    """A log call with a name that is not in the catalogue."""


def _line(_logger: object, method: str, given: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What every line has comes first, so that lines stand under each other; what is None goes without saying.

    One processor for what structlog has three for: each command that changes something writes two lines.
    """
    name = given.pop("event")
    if name not in CATALOGUE:
        raise UnknownLogEvent(name)
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {"at": at, "level": method, "event": name, "actor": given.pop("actor", None), **given}
    return {key: value for key, value in line.items() if value is not None}


def _json(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()


class Writer:
    """Writes lines to stderr in a thread of its own: a terminal or a pipe that nobody reads holds up nobody.

    Any thread may write. Lines beyond those that wait are dropped, and counted: the next line that is written says how
    many. A stream that is gone (a closed pipe, a full disk) is no reason to lose a job.
    """

    def __init__(self) -> None:
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Take a line, or drop it."""
        if self._lines.qsize() < MAX_WAITING_LINES:
            self._lines.put(text)
        else:
            self._dropped += 1  # a race may lose a count; the line says "some", not a sum to be relied on

    def flush(self) -> None:
        """There is nothing to hand on: the thread does."""

    def close(self) -> None:
        """Write what waits, as far as the stream takes it within a moment."""
        self._lines.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        log = logger(actor="main")
        goes_on = True
        while goes_on:
            lines = [self._lines.get()]
            while not self._lines.empty() and len(lines) < LINES_AT_ONCE:
                lines.append(self._lines.get())
            goes_on = None not in lines
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write("".join(filter(None, lines)))
                sys.stderr.flush()
            if self._dropped and self._lines.qsize() < MAX_WAITING_LINES:
                dropped, self._dropped = self._dropped, 0
                log.warning("log_lines_dropped", lines=dropped)


_writers: list[Writer] = []


def close() -> None:
    """Let the last lines out; the end of the process."""
    while _writers:
        _writers.pop().close()


def configure(form: Literal["json", "console"], level: Level) -> None:
    """Set up the log of this process, to stderr. Once, before any actor."""
    writer = Writer()
    _writers.append(writer)
    renderer: list[Any] = (
        [structlog.processors.dict_tracebacks, _json]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at")]
    )
    structlog.configure(
        processors=[_line, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", writer)),
        cache_logger_on_first_use=True,
    )
    # pykka logs a dead actor by itself; base.py tells the Supervisor, whose line says more.
    logging.getLogger("pykka").addHandler(logging.NullHandler())
    logging.getLogger("pykka").propagate = False


def logger(**bound: Any) -> Any:
    """A logger with keys that stand in each of its lines. Any thread."""
    return structlog.get_logger(**bound)

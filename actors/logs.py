"""The daemon's log: one line for each thing that happened, as the catalogue has it.

What users wrote cannot end a line, draw on a terminal, or bring a password into it.
"""

import contextlib
import logging
import queue
import re
import sys
import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO, cast

import msgspec
import structlog

from actors.catalogue import CATALOGUE

SECRET = re.compile(r"(\w://)[^\s/@\"'\\]+(@)")
KEYS = re.compile(r"(\w://[^\s?\"'\\]+\?)[^\s\"'\\]+")
"""Where a URL may hold a password or a signature."""

DELETE = "\x7f"
UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Signs that JSON leaves as they are, and that end a line, turn it round or begin an escape on some terminals."""

TRACEBACKS = frozenset({"traceback", "exception"})

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

    One processor for what structlog has three for: each command that changes something writes a line.
    """
    name = given.pop("event")
    if name not in CATALOGUE:
        raise UnknownLogEvent(name)
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    line = {"at": at, "level": method, "event": name, "actor": given.pop("actor", None), **given}
    return {key: value for key, value in line.items() if value is not None}


def _json(_logger: object, _method: str, line: MutableMapping[str, Any]) -> str:
    text = without_secrets(msgspec.json.encode(line, enc_hook=repr).decode())
    return text if text.isascii() and DELETE not in text else UNSAFE.sub(_escape, text)


def _plain(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For the form that people read: what is text stays on its line, but for a traceback, which is set in."""
    return {key: _plain_value(key, value) for key, value in line.items()}


def _plain_value(key: str, value: Any) -> Any:
    if key in TRACEBACKS and isinstance(value, str):
        return "".join(f"\n    {_plain_text(part)}" for part in value.splitlines())
    if isinstance(value, (list, tuple)):
        return [_plain_value("", one) for one in value]
    return value if isinstance(value, (int, float, bool)) else _plain_text(str(value))


def _plain_text(text: str) -> str:
    text = without_secrets(text)
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escape_sign(sign) for sign in text)


def _escape(found: "re.Match[str]") -> str:
    return _escape_sign(found[0])


def _escape_sign(sign: str) -> str:
    return f"\\u{ord(sign):04x}"


def without_secrets(text: str) -> str:
    """A text without the user and password of a URL, and without what follows its `?`, which may be a key."""
    return SECRET.sub(r"\1***\2", KEYS.sub(r"\1***", text)) if "://" in text else text


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
        else [
            structlog.processors.format_exc_info,
            _plain,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), timestamp_key="at"),
        ]
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

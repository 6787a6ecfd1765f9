"""The daemon's log: one line for each thing that happened, as the catalogue has it.

What users wrote cannot end a line, draw on a terminal, or bring a password into it.
"""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from actors.catalogue import CATALOGUE
from actors.log_sinks import Journal, Sink, Stderr, WatchedFile, Writer, journal_entry

# structlog loads rich where it is there, to draw tracebacks that this log writes otherwise: that would be a fifth of
# what a daemon or a doctor takes to start.
_IS_RICH_HERE = sys.modules.setdefault("rich", None) is not None  # type: ignore[arg-type] # None: as if not there
import structlog  # noqa: E402
from structlog.tracebacks import ExceptionDictTransformer  # noqa: E402

if not _IS_RICH_HERE:
    del sys.modules["rich"]

SECRET = re.compile(r"(\w://)[^\s/@\"'\\]+(@)")
KEYS = re.compile(r"(\w://[^\s?\"'\\]+\?)[^\s\"'\\]+")
"""Where a URL may hold a password or a signature."""

DELETE = "\x7f"
UNSAFE = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Signs that JSON leaves as they are, and that end a line, turn it round or begin an escape on some terminals."""

TRACEBACKS = frozenset({"traceback", "exception"})

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["json", "console", "journal"]

LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}

PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3"}
"""As syslog numbers them (syslog(3))."""


class _State:
    """How much is said. Written by one thread at a time; whoever reads it a moment later is a line late."""

    level: Level = "info"


_state = _State()


def level() -> Level:
    """The least grave level that is said. Any thread."""
    return _state.level


def set_level(wanted: Level) -> None:
    """Say more or less from now on. Any thread."""
    _state.level = wanted


class UnknownLogEvent(KeyError):
    """A log call with a name that is not in the catalogue."""


def _line(_logger: object, method: str, given: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What every line has comes first, so that lines stand under each other; what is None goes without saying.

    One processor for what structlog has three for: each command that changes something writes a line.
    """
    if LEVELS[method] < LEVELS[_state.level]:
        raise structlog.DropEvent
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


def _journal(_logger: object, method: str, line: MutableMapping[str, Any]) -> bytes:
    """A sentence for people, and each key as a field of its own, to be asked for: `journalctl RUSHES_JOB_ID=…`."""
    shown = [str(line["event"])]
    fields = {}
    for key, value in line.items():
        if key in ("at", "level"):
            continue  # journald has both
        text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=repr).decode()
        fields[f"RUSHES_{key.upper()}"] = without_secrets(text)
        if key not in ("event", "actor", *TRACEBACKS):
            shown.append(f"{key}={_plain_text(text)}")
    first = {"MESSAGE": " ".join(shown), "PRIORITY": PRIORITIES[method], "SYSLOG_IDENTIFIER": "rushes"}
    return journal_entry({**first, **fields})


class _Out:
    """structlog's last step: a method for each level, all of which put the line into the writer."""

    def __init__(self, put: Callable[[Any], None]) -> None:
        self.debug = self.info = self.warning = self.error = put


_writers: list[Writer[Any]] = []


def close() -> None:
    """Let the last lines out; the end of the process."""
    while _writers:
        _writers.pop().close()


RENDERERS: dict[Form, list[Any]] = {
    "json": [structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), _json],
    "console": [structlog.processors.format_exc_info, _plain],
    "journal": [structlog.processors.format_exc_info, _journal],
}


def configure(form: Form, wanted: Level, file: Path | None = None) -> None:
    """Set up the log of this process: to stderr, to journald, or to a file. Once, before any actor.

    Raises:
        OSError: the file cannot be opened.

    """
    sink: Sink[Any] = WatchedFile(file) if file is not None else Journal() if form == "journal" else Stderr()
    renderers = RENDERERS[form]
    if form == "console":
        colors = file is None and sys.stderr.isatty()
        renderers = [*renderers, structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at")]
    if form != "journal":
        renderers = [*renderers, _end_of_line]
    log = logger(actor="main")
    writer = Writer(sink, lambda lines: log.warning("log_lines_dropped", lines=lines))
    _writers.append(writer)
    set_level(wanted)
    structlog.configure(
        processors=[_line, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),  # the level may change: see _line
        logger_factory=lambda *_: _Out(writer.put),
        cache_logger_on_first_use=True,
    )
    # pykka logs a dead actor by itself; base.py tells the Supervisor, whose line says more.
    logging.getLogger("pykka").addHandler(logging.NullHandler())
    logging.getLogger("pykka").propagate = False


def _end_of_line(_logger: object, _method: str, text: str) -> str:
    return text + "\n"


def logger(**bound: Any) -> Any:
    """A logger with keys that stand in each of its lines. Any thread."""
    return structlog.get_logger(**bound)

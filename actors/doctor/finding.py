"""What a check found: a line for the operator, and what to do about it."""

from collections.abc import Callable, Iterator
from typing import Literal

from msgspec import Struct

from actors.config import Config

State = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True):
    """One line. `check` is a stable name; `remedy` is what to do, None where that is nothing."""

    check: str
    state: State
    message: str
    remedy: str | None = None


Look = Callable[[Config], Iterator[Finding]]
"""A check: it gives its lines as it finds them. It may block, and raise what it likes: see `bounded`."""


def ok(check: str, message: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", clean(message))


def warn(check: str, message: str, remedy: str) -> Finding:
    """It works, but a person may want to look at it."""
    return Finding(check, "warn", clean(message), clean(remedy))


def fail(check: str, message: str, remedy: str | None = None) -> Finding:
    """Rushes cannot work like this. `remedy` may be left out where the message has it."""
    return Finding(check, "fail", clean(message), None if remedy is None else clean(remedy))


def clean(text: str) -> str:
    """One line that does nothing to a terminal: paths hold what others chose, which need not even be UTF-8."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return f"\\u{ord(sign):04x}"


def size(count: float) -> str:
    """Bytes in units of 1000, as the command line shows them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def milliseconds(seconds: float) -> str:
    """`0.21 ms`, `35 ms`."""
    return f"{seconds * 1000:.2g} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"

"""One error for each code of the protocol, and the two that a client meets before any code."""

from collections.abc import Mapping
from typing import Any, ClassVar

from bus.messages import ErrorCode


class BusError(Exception):
    """Anything that can go wrong between a client and the daemon."""


class NoDaemon(BusError):
    """No daemon answered before the deadline."""


class BadAddress(BusError):
    """A bus address that cannot be used, with what a right one looks like."""


class CommandRefused(BusError):
    """The daemon refused a command. `code`, `message` and `details` are those of the reply."""

    code: ClassVar[ErrorCode]

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class Invalid(CommandRefused):
    """A missing, unknown or mistyped field, or a value that cannot be; `details["path"]` names it."""

    code = "invalid"

    @classmethod
    def at(cls, path: str, message: str) -> "Invalid":
        """An `invalid` that names the field."""
        return cls(message, {"path": path})


class Forbidden(CommandRefused):
    """This identity's role may not."""

    code = "forbidden"


class NotFound(CommandRefused):
    """No such job, output or attempt."""

    code = "not_found"


class Conflict(CommandRefused):
    """The state of things does not allow it; `details["job"]` is the job as it stands."""

    code = "conflict"


class TooLarge(CommandRefused):
    """Over a size limit."""

    code = "too_large"


class IdReused(CommandRefused):
    """The same command id came with another body."""

    code = "id_reused"


class Unsupported(CommandRefused):
    """An unknown `type` or `v`."""

    code = "unsupported"


class Busy(CommandRefused):
    """A limit is reached or the daemon is stopping; try again."""

    code = "busy"


class Unavailable(CommandRefused):
    """It could not be stored; nothing was changed."""

    code = "unavailable"


class Internal(CommandRefused):
    """A defect of the daemon; its log has it."""

    code = "internal"


REFUSALS: dict[str, type[CommandRefused]] = {
    kind.code: kind
    for kind in (
        Invalid, Forbidden, NotFound, Conflict, TooLarge, IdReused, Unsupported, Busy, Unavailable, Internal,
    )
}  # fmt: skip

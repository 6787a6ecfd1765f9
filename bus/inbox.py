"""What the hub hands to actors, and what an actor's inbox looks like to it."""

from typing import Any, NamedTuple, Protocol

from bus.messages import AnyCommand


class Request(NamedTuple):
    """A command on its way to its actor, with who asks, the way back, and the bytes that it came in.

    `prepared`: what an actor on its way has found out for the one that decides.
    """

    command: AnyCommand
    by: str
    envelope: tuple[bytes, ...]
    size: int = 0
    prepared: Any = None


class Pending(NamedTuple):
    """The commands that wait in an inbox, and their bytes."""

    commands: int
    size: int


class Inbox(Protocol):
    """Where an actor gets what is addressed to it. Called by one thread at a time; must not block."""

    def put(self, *messages: Request | bytes) -> None:
        """Take messages: commands, or mail."""

    def pending(self) -> Pending:
        """How much waits."""

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
    """What waits in an inbox: messages, and the bytes of the commands among them."""

    messages: int
    size: int


class Inbox(Protocol):
    """Where an actor gets what is addressed to it. Called by one thread at a time; must not block."""

    def put(self, message: Request | bytes) -> None:
        """Take a message."""

    def pending(self) -> Pending:
        """How much waits."""

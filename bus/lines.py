"""Commands that wait for an actor: a line for each client, served in turn. One thread at a time.

One who sends a hundred thousand commands waits for himself; whoever sends one is next but for one of each other client.
"""

from collections import deque
from typing import Generic, NamedTuple, Protocol, TypeVar


class Waiting(Protocol):
    """What can stand in a line."""

    @property
    def size(self) -> int:
        """Its bytes."""


T = TypeVar("T", bound=Waiting)


class Bounds(NamedTuple):
    """How much may wait for one actor, of all clients together."""

    messages: int
    size: int


class _Line(Generic[T]):
    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.size = 0


class Lines(Generic[T]):
    """What waits for one actor.

    Where it is full, the newest of whoever has most in it has to go: so that the others always get in.
    """

    def __init__(self) -> None:
        self._lines: dict[bytes, _Line[T]] = {}
        self._turns: deque[bytes] = deque()
        self.messages = 0
        self.size = 0

    def __bool__(self) -> bool:
        return self.messages > 0

    @property
    def clients(self) -> int:
        """How many have something in it."""
        return len(self._lines)

    def put(self, client: bytes, one: T, bounds: Bounds) -> list[T]:
        """Take one; those that have to go for it, which may be itself."""
        line = self._lines.get(client)
        if line is None:
            line = self._lines[client] = _Line()
            self._turns.append(client)
        self._add(line, one, 1)
        line.waiting.append(one)
        gone = []
        while self.messages and (self.messages > bounds.messages or self.size > bounds.size):
            gone.append(self._drop(client, by_size=self.size > bounds.size))
        return gone

    def next(self) -> T:
        """The one whose turn it is; it leaves."""
        client = self._turns.popleft()
        line = self._lines[client]
        one = line.waiting.popleft()
        self._add(line, one, -1)
        if line.waiting:
            self._turns.append(client)
        else:
            del self._lines[client]
        return one

    def _drop(self, client: bytes, *, by_size: bool) -> T:
        """The newest of the longest line leaves. All are looked at only where it is not the sender's own."""

        def length(line: _Line[T]) -> int:
            return line.size if by_size else len(line.waiting)

        whole = self.size if by_size else self.messages
        if client not in self._lines or length(self._lines[client]) * len(self._lines) < whole:  # less than his share
            client = max(self._lines, key=lambda one: length(self._lines[one]))
        line = self._lines[client]
        one = line.waiting.pop()
        self._add(line, one, -1)
        if not line.waiting:
            del self._lines[client]
            self._turns.remove(client)
        return one

    def _add(self, line: _Line[T], one: T, sign: int) -> None:
        line.size += sign * one.size
        self.size += sign * one.size
        self.messages += sign

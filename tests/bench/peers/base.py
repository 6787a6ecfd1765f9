"""What the bench asks of everything that it compares: Rushes' peers, and the floors under all of them.

Every one of them runs the same command as a child process, two at a time, and is driven from here as its own users
drive it. A peer that cannot run on this machine says why, and is named in the table as left out.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

WORKERS = 2
"""Children at a time, for every peer."""


class Peer(ABC):
    """One way to run commands, in a folder of its own. Everything it starts it ends in `stop`.

    Used as a context manager: `start` on entry, `stop` on exit.
    """

    name: ClassVar[str]
    """As the table has it, such as "RQ (fork worker)"."""

    durability: ClassVar[str]
    """What is on disk when a submit returns, in a few words, such as "AOF, fsync each command"."""

    syncs: ClassVar[bool]
    """True where a submit that has returned survives a power cut."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """Why it cannot run on this machine, None where it can."""

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Its version, and its broker's."""

    @abstractmethod
    def start(self, workers: int = WORKERS) -> None:
        """Start broker and workers, and wait until they take work. With 0 workers only what takes submits."""

    @abstractmethod
    def stop(self) -> None:
        """End everything that `start` and the work made, by SIGKILL where it does not go."""

    @abstractmethod
    def submit(self, argv: Sequence[str]) -> str:
        """Have `argv` run; returns the task's id once the submit is as durable as this peer makes it."""

    def submit_many(self, commands: Sequence[Sequence[str]]) -> None:
        """As fast as this peer can take them from one client: its own pipeline or bulk call where it has one."""
        for argv in commands:
            self.submit(argv)

    @abstractmethod
    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        """Wait until all these have ended, however; False where the time was over before."""

    def cancel(self, task: str) -> None:
        """This peer's own way to cancel a task that runs, as its documentation says it. NotImplementedError: none."""
        raise NotImplementedError

    def state(self, task: str) -> str:
        """What the peer itself says the task's state is, in its own word."""
        raise NotImplementedError

    def kill_workers(self) -> None:
        """SIGKILL to whatever runs the children (not to the children), as a crash would."""
        raise NotImplementedError

    def restart_workers(self) -> None:
        """Start them again, as a service manager would."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

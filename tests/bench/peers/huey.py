"""Huey: a queue in Redis or in SQLite, and one consumer process with threads."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from tests.bench.peers.crew import CrewPeer, wait_each
from tests.bench.peers.redis_server import RedisPeer, not_installed

POLL_SECONDS = "0.005"
"""How often a worker without a job looks into SQLite. Huey's default, 0.1 s and longer, would measure just that."""


class AnyHuey(CrewPeer):
    """One consumer of two threads.

    A revoked task does not start; one that runs is left alone. A task whose consumer was killed is gone, since it had
    left the queue when it started.
    """

    task: Any = None

    def commands(self, workers: int) -> list[list[str]]:
        options = ["--workers", str(workers), "--quiet", "--delay", POLL_SECONDS, "--max-delay", POLL_SECONDS]
        return [["huey.bin.huey_consumer", "tests.bench.peers.tasks_huey.huey", *options]]

    def connect(self) -> None:
        """Make the client that submits to `self.broker`."""
        from tests.bench.peers import tasks_huey

        self.task = tasks_huey.made(self.broker)

    def close(self) -> None:
        if self.task is not None:
            self.task.huey.storage.close()

    def submit(self, argv: Sequence[str]) -> str:
        return str(self.task(list(argv)).id)

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        return wait_each(ids, self._has_result, timeout)

    def cancel(self, task: str) -> None:
        self.task.huey.revoke_by_id(task)

    def state(self, task: str) -> str:
        """Huey knows whether a task is revoked, and its result."""
        from huey.exceptions import TaskException

        if self.task.huey.is_revoked(self.task.task_class(id=task)):
            return "revoked"
        try:
            result = self.task.huey.result(task, preserve=True)
        except TaskException as failure:
            return f"error: {failure}"
        return "no result" if result is None else f"result: {result}"

    def _has_result(self, task: str) -> bool:
        return bool(self.task.huey.storage.has_data_for_key(task))


class RedisHuey(AnyHuey, RedisPeer):
    """On the Redis that syncs each command."""

    name = "Huey (Redis)"
    packages = ("huey", "redis")


class SqliteHuey(AnyHuey):
    """On a SQLite file in WAL mode with synchronous=FULL."""

    name = "Huey (SQLite)"
    durability = "SQLite, fsync each commit"
    syncs = True

    @classmethod
    def missing(cls) -> str | None:
        return not_installed("huey")

    @classmethod
    def version(cls) -> str:
        import sqlite3

        return f"huey {version('huey')}, SQLite {sqlite3.sqlite_version}"

    def open(self) -> None:
        self.broker = str(self.folder / "huey.sqlite3")
        self.connect()

"""Celery: a list in Redis, one worker process that reads it, and a pool of processes or threads that run the tasks."""

from collections.abc import Sequence
from typing import Any

from tests.bench.peers.crew import wait_each
from tests.bench.peers.redis_server import RedisPeer

ENDED = ("SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED")


class Celery(RedisPeer):
    """A pool of two processes. Revoke with `terminate` signals the pool's process that runs the task, not its child.

    A task whose worker was killed is handed out again after the visibility timeout, an hour unless set.
    """

    name = "Celery (prefork)"
    packages = ("celery", "kombu", "redis")
    pool = "prefork"
    revoke_signal = "SIGTERM"
    ready_files = 1

    def connect(self) -> None:
        from tests.bench.peers import tasks_celery

        self.app: Any = tasks_celery.made(self.broker)
        self.task: Any = self.app.tasks[tasks_celery.NAME]

    def close(self) -> None:
        """The app's own `close` leaves the sockets of its pools and of its backend open."""
        if not hasattr(self, "app"):
            return
        from kombu import pools

        self.app.backend.result_consumer.stop()
        self.app.backend.client.close()
        pools.reset()
        self.app.close()

    def commands(self, workers: int) -> list[list[str]]:
        quick = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        pool = ["--pool", self.pool, "--concurrency", str(workers), "--loglevel", "WARNING"]
        return [["celery", "-A", "tests.bench.peers.tasks_celery", "worker", "-n", "bench@localhost", *pool, *quick]]

    def submit(self, argv: Sequence[str]) -> str:
        return str(self.task.apply_async((list(argv),)).id)

    def submit_many(self, commands: Sequence[Sequence[str]]) -> None:
        """One connection for all, and no results, which would cost a subscription each."""
        with self.app.producer_or_acquire() as producer:
            for argv in commands:
                self.task.apply_async((list(argv),), producer=producer, ignore_result=True)

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        return wait_each(ids, lambda task: self.state(task) in ENDED, timeout)

    def cancel(self, task: str) -> None:
        self.app.control.revoke(task, terminate=True, signal=self.revoke_signal)

    def state(self, task: str) -> str:
        return str(self.app.AsyncResult(task).state)


class CeleryInt(Celery):
    """The same, revoking with SIGINT: a Python program's, and FFmpeg's, own signal to end well."""

    name = "Celery (prefork, revoke INT)"
    revoke_signal = "SIGINT"


class CeleryThreads(Celery):
    """A pool of two threads, which cannot be signalled."""

    name = "Celery (threads)"
    pool = "threads"

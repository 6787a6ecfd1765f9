"""RQ: a list in Redis, and workers that fork a process for each job, or run it in their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.peers.crew import wait_each
from tests.bench.peers.redis_server import RedisPeer

TASK = "tests.bench.peers.tasks.run"
QUEUE = "bench"
JOB_SECONDS = 3600
"""A job's time; RQ's own default of 180 s is short for an encode. No job of the bench comes near it."""
REPLY_SECONDS = 60
"""For Redis to carry out all of an `enqueue_many`; the client's default is 5 s."""
RUNNING = ("created", "queued", "started", "deferred", "scheduled", "ready")


class RQ(RedisPeer):
    """Two worker processes; each forks a "work horse", in a process group of its own, for each job.

    A stop-job command kills the horse's whole group. A job whose worker was killed stays "started" until it has been
    without a heartbeat for 90 s and the maintenance comes by, every 10 minutes; then it is failed. It runs again only
    if it was enqueued with a Retry.
    """

    name = "RQ (fork worker)"
    packages = ("rq", "redis")
    worker_class = "rq.worker.Worker"

    def connect(self) -> None:
        import redis
        import rq

        self.redis: Any = redis.Redis.from_url(self.broker, socket_timeout=REPLY_SECONDS)
        self.queue: Any = rq.Queue(QUEUE, connection=self.redis)

    def close(self) -> None:
        if hasattr(self, "redis"):
            self.redis.close()

    def commands(self, workers: int) -> list[list[str]]:
        """All the same: each makes up a name of its own, since that of one that was killed stays taken."""
        return [
            ["rq.cli", "worker", "--url", self.broker, "--worker-class", self.worker_class, "--quiet", QUEUE]
        ] * workers

    def are_ready(self, folder: Path) -> bool:
        """Each is registered under its pid, which is among those that we have started."""
        import rq

        ours = {child.pid for child in self.crew.roots}
        return sum(worker.pid in ours for worker in rq.Worker.all(connection=self.redis)) >= self.workers

    def submit(self, argv: Sequence[str]) -> str:
        return str(self.queue.enqueue(TASK, list(argv), job_timeout=JOB_SECONDS, result_ttl=JOB_SECONDS).id)

    def submit_many(self, commands: Sequence[Sequence[str]]) -> None:
        """By `enqueue_many`: one pipeline, one transaction, one sync."""
        self.queue.enqueue_many(
            [self.queue.prepare_data(TASK, (list(argv),), timeout=JOB_SECONDS) for argv in commands],
        )

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        return wait_each(ids, lambda task: self.state(task) not in RUNNING, timeout)

    def cancel(self, task: str) -> None:
        from rq.command import send_stop_job_command

        send_stop_job_command(self.redis, task)

    def state(self, task: str) -> str:
        from rq.exceptions import InvalidJobOperation
        from rq.job import Job

        try:
            return str(Job(task, connection=self.redis).get_status().value)
        except InvalidJobOperation:
            return "gone"  # it ended, and its result_ttl is over


class SimpleRQ(RQ):
    """Two worker processes that run the jobs themselves, and so have no horse that a stop-job command could kill.

    A job whose worker was killed stays "started" for the job's time and a minute.
    """

    name = "RQ (SimpleWorker)"
    worker_class = "rq.worker.SimpleWorker"

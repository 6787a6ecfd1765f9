"""Dramatiq: lists in Redis that its Lua scripts move between, and a worker process with threads."""

from collections.abc import Sequence
from typing import Any

from tests.bench.peers.crew import wait_each
from tests.bench.peers.redis_server import RedisPeer


class Dramatiq(RedisPeer):
    """One process of two threads: of two processes, one would often prefetch what the other could start.

    dramatiq-abort raises in the thread, which sees it once its child has ended. A message whose worker was killed is
    handed out again once that has sent no heartbeat for 60 s and one of a thousand later commands finds out.
    """

    name = "Dramatiq"
    ready_files = 1
    packages = ("dramatiq", "dramatiq-abort", "redis")

    def connect(self) -> None:
        from tests.bench.peers import tasks_dramatiq

        self.actor: Any = tasks_dramatiq.made(self.broker)
        self.template: Any = self.actor.message([])

    def close(self) -> None:
        if hasattr(self, "actor"):
            self.actor.broker.close()
            self.actor.broker.client.close()

    def commands(self, workers: int) -> list[list[str]]:
        return [["dramatiq", "tests.bench.peers.tasks_dramatiq:broker", "--processes", "1", "--threads", str(workers)]]

    def submit(self, argv: Sequence[str]) -> str:
        return str(self.actor.send(list(argv)).message_id)

    def wait(self, ids: Sequence[str], timeout: float) -> bool:
        return wait_each(ids, self._has_result, timeout)

    def cancel(self, task: str) -> None:
        from dramatiq_abort import Abortable, abort

        middleware = next(each for each in self.actor.broker.middleware if isinstance(each, Abortable))
        abort(task, middleware=middleware)

    def state(self, task: str) -> str:
        """Dramatiq knows results, and no states."""
        from dramatiq.results import ResultFailure, ResultMissing

        try:
            return f"result: {self.template.copy(message_id=task).get_result(backend=self._results())}"
        except ResultFailure as failure:
            return f"failed: {failure}"
        except ResultMissing:
            return "no state"

    def _has_result(self, task: str) -> bool:
        return self.state(task) != "no state"

    def _results(self) -> Any:
        return self.actor.broker.get_results_backend()

"""What Dramatiq's workers load: `dramatiq tests.bench.peers.tasks_dramatiq:broker`."""

import os
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from dramatiq_abort import Abortable, backends

from tests.bench.peers.crew import BROKER, say_ready
from tests.bench.peers.tasks import run


class Ready(dramatiq.Middleware):  # type: ignore[misc] # it has no types where the checker runs
    """Tells that a worker takes work."""

    def after_worker_boot(self, broker: Any, worker: Any) -> None:
        say_ready(broker, worker)


def made(url: str) -> Any:
    """The actor, with a broker on the Redis at `url`, results on the same one, and dramatiq-abort."""
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url), store_results=True))
    broker.add_middleware(Abortable(backend=backends.RedisBackend(client=redis.Redis.from_url(url))))
    return dramatiq.actor(run, broker=broker, max_retries=0)


if BROKER in os.environ:
    broker = made(os.environ[BROKER]).broker
    broker.add_middleware(Ready())

"""What Celery's workers load: `celery -A tests.bench.peers.tasks_celery worker`."""

import os
from typing import Any

import celery
from celery.signals import worker_ready

from tests.bench.peers.crew import BROKER, say_ready
from tests.bench.peers.tasks import run

NAME = "run"


def made(broker: str) -> Any:
    """An app on the Redis at `broker`, a unix:// URL, with its results on the same Redis.

    Set as Celery's documentation advises for long tasks that may run twice: acknowledged late, and given back where the
    pool's process was lost.
    """
    path = broker.removeprefix("unix://")
    app = celery.Celery(
        "bench", broker=f"redis+socket://{path}", backend=f"redis+socket://{path}", set_as_current=False
    )
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 60},  # seconds; else a publish could wait for ever
        worker_hijack_root_logger=False,
    )
    app.task(run, name=NAME)
    return app


if BROKER in os.environ:
    app = made(os.environ[BROKER])
    worker_ready.connect(say_ready, weak=False)

"""What Huey's consumer loads: `huey_consumer tests.bench.peers.tasks_huey.huey`."""

import os
from typing import Any

from huey import RedisHuey, SqliteHuey

from tests.bench.peers.crew import BROKER, say_ready
from tests.bench.peers.tasks import run


def made(broker: str) -> Any:
    """The task, with a Huey on the Redis or the SQLite file at `broker`; the latter synced at each commit."""
    huey = RedisHuey("bench", url=broker) if "://" in broker else SqliteHuey("bench", filename=broker, fsync=True)
    return huey.task()(run)


if BROKER in os.environ:
    huey = made(os.environ[BROKER]).huey
    huey.on_startup()(say_ready)

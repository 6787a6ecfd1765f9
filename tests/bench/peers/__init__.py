"""Rushes' peers, and the floors under them. Their libraries are imported only where a peer is started."""

from tests.bench.peers.base import Peer
from tests.bench.peers.celery import Celery, CeleryInt, CeleryThreads
from tests.bench.peers.dramatiq import Dramatiq
from tests.bench.peers.floor import PopenLoop, Xargs
from tests.bench.peers.huey import RedisHuey, SqliteHuey
from tests.bench.peers.rq import RQ, SimpleRQ

PEERS: tuple[type[Peer], ...] = (RQ, SimpleRQ, Celery, CeleryThreads, Dramatiq, SqliteHuey, RedisHuey)
"""For every figure."""

CANCELLING: tuple[type[Peer], ...] = (RQ, SimpleRQ, Celery, CeleryInt, CeleryThreads, Dramatiq, SqliteHuey, RedisHuey)
"""For the cancel of a task that runs: the same, with each way that a peer has."""

FLOORS: tuple[type[Peer], ...] = (PopenLoop, Xargs)

__all__ = ["CANCELLING", "FLOORS", "PEERS", "Peer"]

"""A store with a past, without waiting for one to go by: the events of a daemon that does not run, rewritten."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta

import msgpack

from tests.support.daemon import Daemon
from tests.support.wire import Map


@contextmanager
def rewriting(daemon: Daemon) -> Iterator[sqlite3.Connection]:
    """Within, the daemon does not run, and its store may be written to."""
    daemon.terminate()
    with closing(sqlite3.connect(daemon.data / "rushes.sqlite3")) as connection, connection:
        yield connection
    daemon.start()


def change_events(daemon: Daemon, through: int, change: Callable[[Map], Map]) -> None:
    """Make each event up to a seq another one."""
    with rewriting(daemon) as store:
        rows = store.execute("SELECT seq, body FROM events WHERE seq <= ?", (through,)).fetchall()
        fresh = [(msgpack.packb(change(msgpack.unpackb(body))), seq) for seq, body in rows]
        store.executemany("UPDATE events SET body = ? WHERE seq = ?", fresh)


def move_back(daemon: Daemon, through: int, by: timedelta) -> None:
    """Let what has happened up to a seq have happened so much earlier."""

    def earlier(event: Map) -> Map:
        return {**event, "at": (datetime.fromisoformat(event["at"]) - by).isoformat(timespec="microseconds")}

    change_events(daemon, through, earlier)


def lengthen(daemon: Daemon, by: int) -> None:
    """Let the last thing that happened happen so many times more."""
    with rewriting(daemon) as store:
        last, body = store.execute("SELECT seq, body FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        event = msgpack.unpackb(body)
        more = ((seq, msgpack.packb({**event, "seq": seq})) for seq in range(last + 1, last + by + 1))
        store.executemany("INSERT INTO events (seq, body) VALUES (?, ?)", more)

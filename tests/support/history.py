"""A store's history made older than it is."""

import sqlite3
from contextlib import closing

import msgpack

from tests.support.daemon import Daemon


def age_events(daemon: Daemon, through: int) -> None:
    """Make events look a hundred days old, in the store of a daemon that does not run."""
    with closing(sqlite3.connect(daemon.data / "rushes.sqlite3")) as connection, connection:
        rows = connection.execute("SELECT seq, body FROM events WHERE seq <= ?", (through,)).fetchall()
        for seq, body in rows:
            event = {**msgpack.unpackb(body), "at": "2020-01-01T00:00:00.000000Z"}
            connection.execute("UPDATE events SET body = ? WHERE seq = ?", (msgpack.packb(event), seq))

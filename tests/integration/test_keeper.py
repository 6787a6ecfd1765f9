"""What keeps the Queue's store usable: after a disk has failed, nothing is taken on trust."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from actors import logs
from actors.jobs.database import FILE_NAME, StoreFailing, StoreUnusable
from actors.jobs.keeper import Keeper
from actors.jobs.ledger import Settings
from actors.jobs.turn import Turn


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """One whose store has an event that was acknowledged, and whose disk has failed since."""
    with closing(Keeper(tmp_path, logs.logger(actor="test"), Settings())) as found:
        turn = Turn(found.store, found.ledger)
        with found.store.transaction():
            turn.event("daemon.draining", {})
            turn.write()
        found.ledger.commit()
        found.turn_failed(None, StoreFailing("the fsync of the next one"))
        yield found


def test_a_store_that_kept_what_was_acknowledged_is_opened_anew(keeper: Keeper) -> None:
    before = keeper.store
    keeper.ready()
    assert keeper.store is not before
    assert keeper.store.records.last_seq() == keeper.ledger.seq == 1


def test_a_store_that_lost_what_was_acknowledged_is_not_used_on(keeper: Keeper, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as disk, disk:
        disk.execute("DELETE FROM events")
    for _ in range(2):
        with pytest.raises(StoreUnusable, match="event 1 was acknowledged and is gone"):
            keeper.ready()

"""What is counted is what is on disk: a turn that was not to be counts for nothing, however often it is tried."""

import sqlite3
from contextlib import closing

from actors.jobs.database import FILE_NAME
from bus import messages as m
from tests.integration.parts import Counter


def test_a_turn_that_finds_no_room_and_is_tried_again_counts_once(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    connection = counter.queue._store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    large = counter.spec(metadata={str(number): "x" * 1000 for number in range(60)})
    refused, cancel = counter.request("submit", job=large), counter.request("cancel", job_id=job_id)
    counter.turn(refused, cancel)
    assert counter.reply(refused)["error"]["code"] == "unavailable"
    assert counter.reply(cancel)["ok"]
    tally = counter.tally
    assert (tally.jobs["submitted"], tally.ended["cancelled"], tally.store_errors) == (1, 1, 1)
    assert tally.standing is not None
    assert tally.standing.statuses == {**dict.fromkeys(m.STATUSES, 0), "cancelled": 1}


def test_a_turn_in_which_a_defect_shows_counts_what_else_was_in_it_once(counter: Counter) -> None:
    spoiled = counter.submit()["id"]
    with closing(sqlite3.connect(counter.data / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE jobs SET spec = x'00' WHERE id = ?", (spoiled,))
    good, bad = counter.request("submit", job=counter.spec()), counter.request("cancel", job_id=spoiled)
    counter.turn(good, bad)
    assert counter.reply(good)["ok"]
    assert counter.reply(bad)["error"]["code"] == "internal"
    assert (counter.tally.jobs["submitted"], counter.tally.ended["cancelled"]) == (2, 0)


def test_what_is_only_tried_is_not_counted(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    assert counter.result("submit", job=counter.spec(), dry_run=True)["dry_run"]
    assert counter.result("cancel", job_id=job_id, dry_run=True)["dry_run"]
    counter.result("boost", job_id=job_id, front=True)
    assert (counter.tally.jobs["submitted"], counter.tally.ended["cancelled"]) == (1, 0)


def test_what_a_queue_noted_before_it_died_counts_for_nothing_and_the_next_goes_on_counting(counter: Counter) -> None:
    counter.submit()
    counter.tally.note("job.submitted", {}, None, "", lambda _: ())  # in a turn that never came to its end
    counter.reopen()
    assert counter.tally.jobs["submitted"] == 1
    counter.submit()
    assert counter.tally.jobs["submitted"] == 2
    assert counter.tally.standing is not None
    assert counter.tally.standing.statuses["queued"] == 2

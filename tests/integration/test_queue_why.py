"""PROTOCOL.md, `why`, by the Queue's real turns: each reason is what the Queue does."""

import sqlite3
from contextlib import closing

import pytest

from actors.jobs.database import FILE_NAME
from tests.integration.parts import Counter
from tests.support.wire import Map


def why(counter: Counter, job_id: str) -> Map:
    return counter.result("why", job_id=job_id)


def reasons(counter: Counter, job_id: str) -> list[tuple[str, str]]:
    return [(reason["code"], reason["message"]) for reason in why(counter, job_id)["reasons"]]


def test_one_that_takes_more_than_there_is_is_not_told_that_others_have_it(busy_counter: Counter) -> None:
    busy_counter.start()
    job_id = busy_counter.submit()["id"]
    busy_counter.result("slots", slots={"cpu": 0})
    assert reasons(busy_counter, job_id) == [
        ("slots", "it takes 1 cpu, and there are 0 in all; `rushes slots` changes that")
    ]


def test_one_that_is_to_go_on_comes_first(busy_counter: Counter) -> None:
    busy_counter.result("slots", slots={"cpu": 3})
    paused = busy_counter.start(resources={"cpu": 2})
    busy_counter.hold(paused, release=True)
    busy_counter.start(resources={"cpu": 2})
    busy_counter.result("unpause", job_id=paused.job_id)
    job_id = busy_counter.submit()["id"]
    assert reasons(busy_counter, job_id) == [("slots", "1 paused job is to go on first")]
    busy_counter.result("slots", slots={"cpu": 1})
    assert reasons(busy_counter, paused.job_id)[0][1].endswith(
        "it takes 2 cpu, and there are 1 in all; `rushes slots` changes that"
    )


def test_only_what_is_lacking_is_said_to_be_taken(busy_counter: Counter) -> None:
    busy_counter.start()
    job_id = busy_counter.submit()["id"]
    assert reasons(busy_counter, job_id) == [("slots", "1 of 1 cpu taken by running jobs")]


def test_one_that_is_encoded_is_not_said_to_be_done_before_it_is_proved(busy_counter: Counter) -> None:
    order = busy_counter.start()
    path = busy_counter.view(order.job_id)["outputs"][0]["path"]
    busy_counter.advance(order, 0.999, 0)
    assert reasons(busy_counter, order.job_id) == [("running", f"FFmpeg makes output 1 of 1, {path}: 99%")]
    busy_counter.advance(order, 0.999, 0, phase="finishing")
    assert reasons(busy_counter, order.job_id) == [
        ("finishing", f"output 1 of 1, {path}, is encoded; its file is being finished and proved")
    ]


def test_what_nobody_proved_is_not_said_to_be_proved(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.complete(order)
    assert reasons(busy_counter, order.job_id) == [("completed", "it made its output")]
    order = busy_counter.start(2)
    busy_counter.complete(order, 0)
    busy_counter.complete(order, 1)
    assert reasons(busy_counter, order.job_id) == [("completed", "it made all of its 2 outputs")]


@pytest.mark.parametrize(("kind", "fields"), [("why", {}), ("retry", {"dry_run": True}), ("get", {"wait": 1})])
def test_a_defect_that_a_question_shows_is_that_questions_alone(busy_counter: Counter, kind: str, fields: Map) -> None:
    order = busy_counter.start()
    busy_counter.fail(order)
    with closing(sqlite3.connect(busy_counter.data / FILE_NAME)) as store, store:
        store.execute("UPDATE jobs SET spec = ? WHERE id = ?", (b"no spec", order.job_id))
    assert busy_counter.refusal(kind, job_id=order.job_id, **fields)["code"] == "internal"
    assert busy_counter.result("status")["counts"]["failed"] == 1

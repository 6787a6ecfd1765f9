"""Pauses by the Queue's real turns: whose turn it is to go on, and a Render that hears of things late."""

from typing import Any

import pytest

from actors.mail import Paused, PauseRender, RenderEnded, StartRender
from tests.integration.parts import Counter, Letterbox
from tests.support.wire import Map


def held(counter: Counter, **more: Any) -> StartRender:
    """A run that was paused, has its child held, and gave up its slots."""
    order = counter.start(**more)
    counter.hold(order, release=True)
    return order


def told(box: Letterbox) -> str | None:
    """By which pause a Render is told to hold its child, None where it is to let it go on."""
    return box.mail(PauseRender).paused


def confirm(counter: Counter, order: StartRender, pause: str | None) -> None:
    """Say that the child is held by that pause."""
    assert pause is not None
    counter.turn(Paused(job_id=order.job_id, run=order.run, paused=pause))


def waits(view: Map) -> str | None:
    return view["waiting"] and str(view["waiting"]["why"])


def test_one_that_takes_more_than_there_is_any_more_keeps_nothing_from_others(busy_counter: Counter) -> None:
    busy_counter.result("slots", slots={"cpu": 2})
    large = held(busy_counter, resources={"cpu": 2})
    busy_counter.result("slots", slots={"cpu": 1})
    view = busy_counter.result("unpause", job_id=large.job_id)["job"]
    assert (view["phase"], waits(view)) == ("paused", "slots")
    small = busy_counter.submit()
    assert busy_counter.order().job_id == small["id"]
    busy_counter.result("slots", slots={"cpu": 3})
    assert busy_counter.kinds(large.job_id)[-1] == "unpaused"


def test_a_larger_one_that_cannot_go_on_keeps_nothing_from_another_that_can(busy_counter: Counter) -> None:
    busy_counter.result("slots", slots={"cpu": 2})
    large, small = held(busy_counter, resources={"cpu": 2}), held(busy_counter)
    busy_counter.result("slots", slots={"cpu": 1})
    for order in (large, small):
        busy_counter.result("unpause", job_id=order.job_id)
    assert [busy_counter.kinds(order.job_id)[-1] for order in (large, small)] == ["paused", "unpaused"]


def test_they_go_on_in_the_order_of_their_submission(busy_counter: Counter) -> None:
    busy_counter.queue._ledger.ids = iter(("b" * 16, "a" * 16, "c" * 16))  # an id says nothing of the order
    ids = [held(busy_counter).job_id for _ in range(2)]
    last = busy_counter.start()
    for job_id in ids:
        busy_counter.result("unpause", job_id=job_id)
    busy_counter.complete(last)
    assert [job_id for job_id in ids if busy_counter.kinds(job_id)[-1] == "unpaused"] == [ids[0]]


def test_a_render_that_did_not_hear_that_the_job_is_to_go_on_is_told_again(busy_counter: Counter) -> None:
    order = busy_counter.start()
    box = busy_counter.render(order.job_id)
    busy_counter.result("pause", job_id=order.job_id)
    busy_counter.result("unpause", job_id=order.job_id)
    pause = told(box)
    assert told(box) is None
    confirm(busy_counter, order, pause)  # by one that was ordered before the unpause
    assert told(box) is None
    assert busy_counter.view(order.job_id)["phase"] == "rendering"


@pytest.mark.parametrize("in_one_turn", [False, True], ids=["three turns", "one turn"])
def test_a_render_that_held_its_child_by_an_earlier_pause_does_not_yet_by_this_one(
    busy_counter: Counter, in_one_turn: bool
) -> None:
    order = busy_counter.start()
    box = busy_counter.render(order.job_id)
    requests = [
        busy_counter.request(kind, job_id=order.job_id, **fields)
        for kind, fields in (("pause", {}), ("unpause", {}), ("pause", {"release": True}))
    ]
    for some in [requests] if in_one_turn else [[one] for one in requests]:
        busy_counter.turn(*some)
    first, nothing, second = told(box), told(box), told(box)
    assert nothing is None
    confirm(busy_counter, order, first)
    assert busy_counter.view(order.job_id)["phase"] == "rendering"
    assert busy_counter.result("status")["resources"]["cpu"]["used"] == 1
    assert told(box) == second, "it may never have heard of it"
    confirm(busy_counter, order, second)
    assert busy_counter.view(order.job_id)["phase"] == "paused"
    assert busy_counter.kinds(order.job_id).count("paused") == 1


def test_whoever_waits_for_the_end_of_a_paused_job_gets_the_result_of_a_pause(busy_counter: Counter) -> None:
    order = busy_counter.start()
    requests = [busy_counter.request(kind, job_id=order.job_id, wait=30) for kind in ("pause", "unpause")]
    busy_counter.turn(*requests)
    busy_counter.complete(order)
    for request in requests:
        result = busy_counter.reply(request)["result"]
        assert (result["job"]["status"], result["changed"]) == ("completed", True)


def test_one_that_is_being_stopped_can_be_neither_paused_nor_let_go_on(busy_counter: Counter) -> None:
    order = held(busy_counter)
    busy_counter.result("cancel", job_id=order.job_id)
    for kind in ("pause", "unpause"):
        assert busy_counter.refusal(kind, job_id=order.job_id)["code"] == "conflict"


def test_slots_that_are_given_up_later_are_told_of(busy_counter: Counter) -> None:
    order = busy_counter.start()
    box = busy_counter.render(order.job_id)
    busy_counter.result("pause", job_id=order.job_id)
    confirm(busy_counter, order, pause := told(box))
    view = busy_counter.result("pause", job_id=order.job_id, release=True)["job"]
    told_of = [event["data"] for event in busy_counter.events(order.job_id) if event["type"] == "job.paused"]
    assert told_of == [{"released": False}, {"released": True}]
    assert view["seq"] == busy_counter.last(order.job_id)["seq"]
    confirm(busy_counter, order, pause)
    assert not busy_counter.result("pause", job_id=order.job_id, release=True)["changed"]
    assert busy_counter.kinds(order.job_id).count("paused") == 2


@pytest.mark.parametrize("retryable", [True, False], ids=["attempt", "lost"])
def test_a_pause_that_no_render_came_to_is_told_of_in_the_queue(busy_counter: Counter, retryable: bool) -> None:
    order = busy_counter.start(max_attempts=2)
    busy_counter.result("pause", job_id=order.job_id)
    if retryable:
        busy_counter.fail(order, retryable=True)
    else:
        busy_counter.turn(RenderEnded(job_id=order.job_id, run=order.run, index=0, how="lost"))
    assert busy_counter.view(order.job_id)["waiting"]["why"] == "paused"
    assert busy_counter.kinds(order.job_id)[-2:] == ["requeued", "paused"]
    assert busy_counter.view(order.job_id)["seq"] == busy_counter.last(order.job_id)["seq"]


def test_one_that_was_to_go_on_and_is_queued_again_has_gone_on(busy_counter: Counter) -> None:
    order = held(busy_counter)
    other = busy_counter.start()
    busy_counter.result("unpause", job_id=order.job_id)
    busy_counter.turn(RenderEnded(job_id=order.job_id, run=order.run, index=0, how="lost"))
    assert busy_counter.kinds(order.job_id)[-2:] == ["requeued", "unpaused"]
    assert busy_counter.view(order.job_id)["paused"] is None
    busy_counter.complete(other)
    assert busy_counter.order().job_id == order.job_id

"""A reply that waits comes from the same turn as the event it waited for, once, and always comes."""

import pytest

from actors.jobs.desk import WAIT_OVER
from actors.mail import FilesRemoved, QueueDone, RemoveFiles, StopRender, Tick
from tests.integration.parts import Counter
from tests.support import contract
from tests.support.wire import new_id


def test_a_submit_that_waits_is_answered_in_the_turn_that_ends_the_job(busy_counter: Counter) -> None:
    request = busy_counter.request("submit", job=busy_counter.spec(), wait=30)
    busy_counter.turn(request)
    assert busy_counter.is_silent()
    busy_counter.complete(busy_counter.order())
    view = busy_counter.reply(request)["result"]["job"]
    last = busy_counter.last(view["id"])
    assert (view, view["seq"]) == (last["data"]["job"], last["seq"])


def test_a_get_that_waits_is_answered_at_once_where_the_job_has_ended(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    counter.result("cancel", job_id=job_id)
    assert counter.result("get", job_id=job_id, wait=30)["job"]["status"] == "cancelled"


def test_one_whose_patience_is_over_gets_the_job_as_it_stands(counter: Counter) -> None:
    request = counter.request("submit", job=counter.spec(), wait=0.01)
    counter.turn(request)
    counter.turn(counter.tick())
    assert counter.reply(request)["result"]["job"]["status"] == "queued"


def test_patience_that_ends_after_the_reply_says_nothing_more(counter: Counter) -> None:
    request = counter.request("submit", job=counter.spec(), wait=0.01)
    counter.turn(request)
    tick = counter.tick()
    counter.turn(tick)
    counter.reply(request)
    counter.turn(tick, Tick(what=f"{WAIT_OVER}:999"))
    assert counter.is_silent()


def test_one_who_asks_again_in_the_turn_that_ends_the_patience_is_told_the_same_and_nothing_more(
    counter: Counter,
) -> None:
    fields = {"id": new_id(), "job": counter.spec(), "wait": 0.01}
    counter.turn(counter.request("submit", **fields))
    counter.turn(counter.request("submit", **fields), counter.tick())
    first, second = (counter.client.receive() for _ in range(2))
    assert first == second
    counter.result("cancel", job_id=first["result"]["job"]["id"])
    assert counter.is_silent()
    assert counter.ask("submit", **fields) == first


def test_everyone_who_waits_is_answered(busy_counter: Counter) -> None:
    order = busy_counter.start()
    requests = [
        busy_counter.request("get", job_id=order.job_id, wait=30),
        busy_counter.request("cancel", job_id=order.job_id, wait=30),
        busy_counter.request("cancel", job_id=order.job_id, wait=30),
    ]
    busy_counter.turn(*requests)
    assert busy_counter.is_silent()
    busy_counter.stopped(order)
    results = [busy_counter.reply(request)["result"] for request in requests]
    assert [result["job"]["status"] for result in results] == ["cancelled"] * 3
    assert [result.get("changed") for result in results] == [None, True, False]


def test_a_cancel_that_came_too_late_says_that_it_changed_nothing(busy_counter: Counter) -> None:
    order = busy_counter.start()
    request = busy_counter.request("cancel", job_id=order.job_id, wait=30)
    busy_counter.turn(request)
    busy_counter.complete(order)
    result = busy_counter.reply(request)["result"]
    assert (result["changed"], result["job"]["status"]) == (False, "completed")


def test_a_job_that_starts_and_ends_in_the_turn_that_was_asked_is_waited_for_no_longer(counter: Counter) -> None:
    spec, command_id = counter.spec(), new_id()
    submit = counter.request("submit", id=command_id, job=spec, wait=30)
    counter.turn(submit)
    job_id = counter.queue_order()[0]
    cancel = counter.request("cancel", job_id=job_id, wait=30)
    counter.turn(cancel)
    assert counter.reply(submit)["result"]["job"]["status"] == "cancelled"
    assert counter.reply(cancel)["result"]["changed"] is True


def test_a_command_that_waits_and_is_sent_again_is_answered_each_time_it_was_sent(busy_counter: Counter) -> None:
    spec, command_id = busy_counter.spec(), new_id()
    for _ in range(2):
        busy_counter.turn(busy_counter.request("submit", id=command_id, job=spec, wait=30))
    busy_counter.complete(busy_counter.order())
    replies = [busy_counter.client.receive() for _ in range(2)]
    assert replies[0] == replies[1]
    assert replies[0]["result"]["job"]["status"] == "completed"
    assert busy_counter.is_silent()
    assert busy_counter.ask("submit", id=command_id, job=spec, wait=30) == replies[0]


def test_a_command_that_waited_when_the_queue_died_waits_on_when_it_is_sent_again(busy_counter: Counter) -> None:
    spec, command_id = busy_counter.spec(), new_id()
    busy_counter.turn(busy_counter.request("submit", id=command_id, job=spec, wait=30))
    order = busy_counter.order()
    busy_counter.reopen(slots=1)
    busy_counter.turn(busy_counter.request("submit", id=command_id, job=spec, wait=30))
    assert busy_counter.is_silent()
    busy_counter.complete(order)
    assert busy_counter.client.receive()["result"]["job"]["status"] == "completed"


def test_a_command_that_waited_for_a_job_that_ended_meanwhile_is_answered_at_once(busy_counter: Counter) -> None:
    spec, command_id = busy_counter.spec(), new_id()
    busy_counter.turn(busy_counter.request("submit", id=command_id, job=spec, wait=30))
    order = busy_counter.order()
    busy_counter.reopen(slots=1)
    busy_counter.complete(order)
    assert busy_counter.ask("submit", id=command_id, job=spec, wait=30)["result"]["job"]["status"] == "completed"


def test_whoever_waits_when_the_daemon_ends_gets_the_job_as_it_stands(busy_counter: Counter) -> None:
    order = busy_counter.start()
    requests = [
        busy_counter.request("get", job_id=order.job_id, wait=30),
        busy_counter.request("submit", job=busy_counter.spec(), wait=30),
    ]
    busy_counter.turn(*requests)
    busy_counter.turn(busy_counter.request("shutdown"))
    busy_counter.stopped(order)
    assert [busy_counter.reply(request)["result"]["job"]["status"] for request in requests] == ["queued"] * 2
    busy_counter.supervisor.mail(QueueDone)


def test_nobody_waits_for_a_job_in_a_daemon_that_ends(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.result("shutdown")
    assert busy_counter.result("get", job_id=order.job_id, wait=30)["job"]["status"] == "processing"


# ---------------------------------------------------------------- delete


def test_a_delete_is_answered_when_the_files_are_gone(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=2)
    busy_counter.complete(order, 0)
    busy_counter.fail(order, index=1)
    request = busy_counter.request("delete", job_id=order.job_id)
    busy_counter.turn(request)
    assert busy_counter.is_silent()
    removal = busy_counter.remove()
    assert [path for path, _ in removal.files] == [order.spec.outputs[0].path]
    result = busy_counter.reply(request)["result"]
    contract.check(result, contract.DELETED)
    assert result["removed"] == [order.spec.outputs[0].path]
    assert busy_counter.refusal("get", job_id=order.job_id)["code"] == "not_found"
    assert busy_counter.last(order.job_id)["type"] == "job.deleted"


def test_a_delete_that_keeps_files_removes_none(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.complete(order)
    request = busy_counter.request("delete", job_id=order.job_id, keep_files=True)
    busy_counter.turn(request)
    assert busy_counter.remove().files == []
    assert busy_counter.reply(request)["result"]["removed"] == []


@pytest.mark.parametrize("running", [True, False])
def test_an_active_job_is_deleted_only_by_force(busy_counter: Counter, *, running: bool) -> None:
    order = busy_counter.start()
    job_id = order.job_id if running else busy_counter.submit()["id"]
    refused = busy_counter.refusal("delete", job_id=job_id)
    assert (refused["code"], refused["details"]["job"]["id"]) == ("conflict", job_id)
    assert "cancelled" not in busy_counter.kinds(job_id)


def test_a_running_job_that_is_deleted_by_force_is_cancelled_first(busy_counter: Counter) -> None:
    order = busy_counter.start()
    render = busy_counter.render(order.job_id)
    waiting = busy_counter.request("delete", job_id=order.job_id, force=True, wait=30)
    busy_counter.turn(waiting)
    at_once = busy_counter.request("delete", job_id=order.job_id, force=True, wait=0)
    busy_counter.turn(at_once)
    busy_counter.turn(busy_counter.tick())
    now = busy_counter.reply(at_once)["result"]
    assert (now["status"], now["deleted_at"]) == ("deleting", None)
    render.mail(StopRender)
    busy_counter.stopped(order)
    busy_counter.remove()
    assert busy_counter.reply(waiting)["result"]["status"] == "deleted"
    assert busy_counter.kinds(order.job_id)[-3:] == ["cancelling", "cancelled", "deleted"]


def test_a_delete_that_is_sent_again_after_its_end_gets_the_reply_it_would_have_had(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    counter.result("cancel", job_id=job_id)
    command_id = new_id()
    counter.turn(counter.request("delete", id=command_id, job_id=job_id))
    counter.remove()
    first = counter.client.receive()
    assert counter.ask("delete", id=command_id, job_id=job_id) == first
    assert counter.refusal("delete", job_id=job_id)["code"] == "not_found"


def test_a_delete_goes_on_after_the_queues_death(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    counter.result("cancel", job_id=job_id)
    command_id = new_id()
    counter.turn(counter.request("delete", id=command_id, job_id=job_id))
    counter.janitor.mail(RemoveFiles)
    counter.reopen()
    counter.turn(counter.request("delete", id=command_id, job_id=job_id))
    assert counter.remove().job_id == job_id
    assert counter.client.receive()["result"]["status"] == "deleted"


def test_a_delete_that_comes_again_with_the_news_that_the_files_are_gone_says_which(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.complete(order)
    request = busy_counter.request("delete", job_id=order.job_id)
    busy_counter.turn(request)
    busy_counter.reopen()
    news = FilesRemoved(job_id=order.job_id, removed=["/gone"], missing=[], failed=[])
    busy_counter.turn(news, request)
    assert busy_counter.reply(request)["result"]["removed"] == ["/gone"]


def test_what_the_janitor_could_not_remove_is_in_the_reply(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.complete(order)
    request = busy_counter.request("delete", job_id=order.job_id)
    busy_counter.turn(request)
    busy_counter.turn(FilesRemoved(job_id=order.job_id, removed=[], missing=["/gone"], failed=[]))
    assert busy_counter.reply(request)["result"]["missing"] == ["/gone"]


def test_a_job_that_is_being_deleted_cannot_be_retried(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.fail(order)
    busy_counter.turn(busy_counter.request("delete", job_id=order.job_id))
    assert busy_counter.refusal("retry", job_id=order.job_id)["code"] == "conflict"

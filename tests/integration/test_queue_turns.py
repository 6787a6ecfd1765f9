"""What each command changes, by the Queue's real turns over a real store: the rules of PROTOCOL.md, section 2."""

import pytest

from actors.jobs import changes
from actors.mail import BeginStop, OutputCompleted, QueueDone, RenderEnded, Signalled, StartRender, StopRender
from tests.integration.parts import Counter, facts
from tests.support import contract

# ---------------------------------------------------------------- submit and start


def test_a_submitted_job_waits_at_the_end_of_its_priority(counter: Counter) -> None:
    views = [counter.submit(priority=priority) for priority in (0, 5, 0, -5)]
    assert [view["position"] for view in views] == [1, 1, 3, 4]
    assert [counter.view(view["id"])["position"] for view in views] == [2, 1, 3, 4]
    for view in views:
        contract.check(view, contract.JOB)
        assert counter.kinds(view["id"]) == ["submitted"]


def test_a_job_that_is_refused_leaves_nothing(counter: Counter) -> None:
    refused = counter.refusal("submit", job=counter.spec(inputs=[{"path": str(counter.out / "gone.mov")}]))
    assert (refused["code"], refused["details"]["path"]) == ("invalid", "job.inputs[0].path")
    assert [event["type"] for event in counter.events()] == ["daemon.started"]
    assert counter.result("status")["counts"]["queued"] == 0


def test_a_path_that_an_active_job_is_to_write_is_taken(counter: Counter) -> None:
    spec = counter.spec()
    first = counter.result("submit", job=spec)["job"]
    refused = counter.refusal("submit", job=spec)
    assert (refused["code"], refused["details"]["job"]["id"]) == ("conflict", first["id"])
    counter.result("cancel", job_id=first["id"])
    counter.result("submit", job=spec)


def test_a_path_that_another_job_of_the_same_turn_is_to_write_is_taken(counter: Counter) -> None:
    spec = counter.spec()
    requests = [counter.request("submit", job=spec) for _ in range(2)]
    counter.turn(*requests)
    assert [counter.reply(request)["ok"] for request in requests] == [True, False]


def test_a_free_slot_is_filled_in_the_turn_that_takes_the_job(busy_counter: Counter) -> None:
    view = busy_counter.submit()
    order = busy_counter.order()
    assert (order.job_id, order.run, order.pending, order.stop) == (view["id"], 1, [0], None)
    assert busy_counter.view(view["id"])["phase"] == "starting"
    assert busy_counter.kinds(view["id"]) == ["submitted", "started"]


def test_the_next_job_is_started_in_the_turn_that_ends_the_last(busy_counter: Counter) -> None:
    order = busy_counter.start()
    low, high = busy_counter.submit(), busy_counter.submit(priority=1)
    busy_counter.complete(order)
    assert busy_counter.order().job_id == high["id"]
    ended, started = busy_counter.events()[-2:]
    assert (ended["type"], started["type"], started["job_id"]) == ("job.completed", "job.started", high["id"])
    assert busy_counter.view(low["id"])["position"] == 1


def test_no_more_jobs_run_than_there_are_slots(two_slots: Counter) -> None:
    views = [two_slots.submit() for _ in range(5)]
    assert [two_slots.view(view["id"])["status"] for view in views] == ["processing"] * 2 + ["queued"] * 3
    assert two_slots.result("status")["running"] == 2


def test_an_output_that_is_proved_is_in_the_view_and_the_last_one_completes_the_job(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=2)
    busy_counter.complete(order, 0)
    view = busy_counter.view(order.job_id)
    assert (view["status"], view["completed_outputs"], view["outputs"][0]["size"]) == ("processing", 1, 7)
    busy_counter.complete(order, 1)
    last = busy_counter.last(order.job_id)
    assert last["type"] == "job.completed"
    assert last["data"]["job"] == busy_counter.view(order.job_id)
    assert last["data"]["job"]["progress"] == 1.0
    assert last["data"]["cancel_too_late"] is None


def test_news_of_an_earlier_run_or_of_no_job_is_left_unread(busy_counter: Counter) -> None:
    order = busy_counter.start()
    before = busy_counter.events()
    for job_id, run in ((order.job_id, order.run - 1), (order.job_id, order.run + 1), ("nobody", 1)):
        busy_counter.turn(OutputCompleted(job_id=job_id, run=run, index=0, facts=facts()))
        busy_counter.turn(RenderEnded(job_id=job_id, run=run, index=0, how="lost"))
        busy_counter.turn(Signalled(job_id=job_id, run=run, index=0, stage="q", after=0.0))
    assert busy_counter.events() == before


def test_news_that_comes_twice_counts_once(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=2)
    busy_counter.complete(order, 0)
    before = busy_counter.events()
    busy_counter.complete(order, 0)
    assert busy_counter.events() == before


# ---------------------------------------------------------------- cancel


def test_a_queued_job_is_cancelled_at_once(counter: Counter) -> None:
    view = counter.submit()
    result = counter.result("cancel", job_id=view["id"], reason="r", notes="n")
    assert (result["changed"], result["job"]["status"], result["job"]["position"]) == (True, "cancelled", None)
    assert result["job"]["outputs"][0]["status"] == "cancelled"
    assert counter.last(view["id"])["data"]["job"] == counter.view(view["id"])


def test_a_cancel_that_comes_again_changes_nothing(counter: Counter) -> None:
    job_id = counter.submit()["id"]
    first = counter.result("cancel", job_id=job_id, reason="first")["job"]
    events = counter.events()
    again = counter.result("cancel", job_id=job_id, reason="second", notes="more")
    assert (again["changed"], again["job"]) == (False, first)
    assert counter.events() == events


def test_the_wish_to_cancel_a_running_job_is_on_disk_before_its_render_hears_of_it(busy_counter: Counter) -> None:
    order = busy_counter.start()
    render = busy_counter.render(order.job_id)
    request = busy_counter.request("cancel", job_id=order.job_id, reason="r")
    busy_counter.turn(request)
    result = busy_counter.reply(request)["result"]
    assert (result["job"]["status"], result["job"]["phase"]) == ("processing", "stopping")
    assert render.mail(StopRender) == StopRender(run=order.run, why="cancel")
    assert busy_counter.kinds(order.job_id)[-1] == "cancelling"
    busy_counter.stopped(order)
    last = busy_counter.last(order.job_id)
    assert (last["type"], last["command_id"], last["by"]) == (
        "job.cancelled",
        request.command.id,
        result["job"]["cancel"]["by"],
    )
    assert busy_counter.view(order.job_id)["cancel"] == result["job"]["cancel"]


def test_a_second_cancel_of_a_running_job_leaves_the_first_as_it_is(busy_counter: Counter) -> None:
    order = busy_counter.start()
    first = busy_counter.result("cancel", job_id=order.job_id, reason="first")["job"]["cancel"]
    again = busy_counter.result("cancel", job_id=order.job_id, reason="second")
    assert (again["changed"], again["job"]["cancel"]) == (False, first)


def test_a_job_that_completes_before_its_child_could_be_stopped_is_completed(busy_counter: Counter) -> None:
    order = busy_counter.start()
    wish = busy_counter.result("cancel", job_id=order.job_id, reason="r")["job"]["cancel"]
    busy_counter.complete(order)
    last = busy_counter.last(order.job_id)
    assert (last["type"], last["data"]["cancel_too_late"]) == ("job.completed", wish)
    assert busy_counter.view(order.job_id)["cancel"] is None
    assert busy_counter.view(order.job_id)["cancelled_at"] is None


def test_a_cancel_between_two_outputs_keeps_the_first(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=2)
    busy_counter.result("cancel", job_id=order.job_id)
    busy_counter.complete(order, 0)
    busy_counter.stopped(order, None)
    view = busy_counter.view(order.job_id)
    assert view["status"] == "cancelled"
    assert [output["status"] for output in view["outputs"]] == ["completed", "cancelled"]


@pytest.mark.parametrize("how", ["completed", "failed"])
def test_a_job_that_has_ended_cannot_be_cancelled(busy_counter: Counter, how: str) -> None:
    order = busy_counter.start()
    (busy_counter.complete if how == "completed" else busy_counter.fail)(order)
    refused = busy_counter.refusal("cancel", job_id=order.job_id)
    assert (refused["code"], refused["details"]["job"]) == ("conflict", busy_counter.view(order.job_id))
    assert busy_counter.view(order.job_id)["status"] == how


# ---------------------------------------------------------------- boost


@pytest.mark.parametrize(
    ("how", "position", "priority"),
    [
        ({"front": True}, 1, 5),
        ({"priority": 7}, 1, 7),
        ({"priority": 5}, 2, 5),
        ({"by": -3}, 4, -3),
        ({"by": 0}, 3, 0),
    ],
)
def test_a_boosted_job_has_its_new_place(counter: Counter, how: dict[str, int], position: int, priority: int) -> None:
    counter.submit(priority=5)
    counter.submit()
    job_id = counter.submit()["id"]
    counter.submit(priority=-1)
    result = counter.result("boost", job_id=job_id, **how)
    assert (result["position"], result["job"]["position"]) == (position, position)
    assert result["job"]["priority"] == priority
    assert counter.queue_order()[position - 1] == job_id
    assert counter.last(job_id)["data"] == {"priority": priority, "was": 0, "front": "front" in how}


def test_the_job_in_front_may_be_put_to_the_front(counter: Counter) -> None:
    first, second = counter.submit()["id"], counter.submit()["id"]
    for job_id in (first, first, second, second, first):
        assert counter.result("boost", job_id=job_id, front=True)["position"] == 1
    assert counter.queue_order() == [first, second]


def test_a_job_that_was_put_to_the_front_stays_before_its_equals_and_no_two_share_a_place(counter: Counter) -> None:
    older, first, front = (counter.submit(priority=priority)["id"] for priority in (0, 1, 0))
    counter.result("boost", job_id=front, front=True)
    assert counter.result("boost", job_id=older, by=1)["position"] == 2
    assert [counter.view(job_id)["position"] for job_id in (front, older, first)] == [1, 2, 3]
    assert counter.queue_order() == [front, older, first]


def test_a_boost_beyond_the_range_is_refused(counter: Counter) -> None:
    job_id = counter.submit(priority=999)["id"]
    assert counter.refusal("boost", job_id=job_id, by=2)["details"]["path"] == "by"
    assert counter.result("boost", job_id=job_id, by=1)["job"]["priority"] == 1000


def test_only_a_queued_job_can_be_boosted(busy_counter: Counter) -> None:
    order = busy_counter.start()
    for _ in range(2):
        refused = busy_counter.refusal("boost", job_id=order.job_id, front=True)
        assert (refused["code"], refused["details"]["job"]["id"]) == ("conflict", order.job_id)
        busy_counter.complete(order)
    assert busy_counter.refusal("boost", job_id="nobody", front=True)["code"] == "not_found"


# ---------------------------------------------------------------- retry and other ways back


def test_a_failed_job_is_retried_for_the_outputs_that_are_not_complete(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=3)
    busy_counter.complete(order, 0)
    busy_counter.fail(order, index=1)
    failed = busy_counter.view(order.job_id)
    assert [output["status"] for output in failed["outputs"]] == ["completed", "failed", "pending"]
    assert failed["error"]["code"] == "unknown"
    view = busy_counter.result("retry", job_id=order.job_id)["job"]
    assert (view["error"], view["finished_at"]) == (None, None)
    again = busy_counter.order()
    assert (again.run, again.pending) == (order.run + 1, [1, 2])
    assert busy_counter.kinds(order.job_id)[-2:] == ["requeued", "started"]


def test_only_a_failed_job_can_be_retried(busy_counter: Counter) -> None:
    order = busy_counter.start()
    queued = busy_counter.submit()["id"]
    for job_id in (queued, order.job_id):
        assert busy_counter.refusal("retry", job_id=job_id)["code"] == "conflict"
    busy_counter.complete(order)
    assert busy_counter.refusal("retry", job_id=order.job_id)["code"] == "conflict"


def test_a_job_is_attempted_as_often_as_it_may_be_and_a_retry_counts_anew(busy_counter: Counter) -> None:
    order = busy_counter.start(max_attempts=2)
    for number in (1, 2):
        busy_counter.fail(order, retryable=True)
        assert busy_counter.view(order.job_id)["attempts"] == 2
        assert busy_counter.view(order.job_id)["status"] == ("processing" if number == 1 else "failed")
        order = busy_counter.order() if number == 1 else order
    busy_counter.result("retry", job_id=order.job_id)
    order = busy_counter.order()
    busy_counter.fail(order, retryable=True)
    assert busy_counter.view(order.job_id)["status"] == "processing"
    assert busy_counter.view(order.job_id)["attempts"] == 4


def test_what_another_attempt_cannot_mend_is_not_attempted_again(busy_counter: Counter) -> None:
    order = busy_counter.start(max_attempts=5)
    busy_counter.fail(order, retryable=False)
    assert busy_counter.view(order.job_id)["status"] == "failed"


def test_a_run_that_was_lost_is_not_counted_as_the_jobs_attempt(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.turn(RenderEnded(job_id=order.job_id, run=order.run, index=0, how="lost"))
    again = busy_counter.order()
    assert (again.job_id, again.run) == (order.job_id, 2)
    assert busy_counter.view(order.job_id)["attempts"] == 1
    requeued = next(event for event in busy_counter.events(order.job_id) if event["type"] == "job.requeued")
    assert requeued["data"]["why"] == "recovery"


# ---------------------------------------------------------------- drain, resume, shutdown


def test_a_drained_queue_starts_nothing_until_it_is_resumed(busy_counter: Counter) -> None:
    assert busy_counter.result("drain") == {"draining": True}
    job_id = busy_counter.submit()["id"]
    assert busy_counter.view(job_id)["status"] == "queued"
    busy_counter.reopen(slots=1)
    assert busy_counter.result("status")["draining"] is True
    assert busy_counter.result("resume") == {"draining": False}
    assert busy_counter.order().job_id == job_id


def test_to_drain_twice_is_one_event(counter: Counter) -> None:
    for kind in ("drain", "drain", "resume", "resume"):
        counter.result(kind)
    types = [event["type"] for event in counter.events()]
    assert types == ["daemon.started", "daemon.draining", "daemon.resumed"]


def test_a_stop_sends_running_jobs_back_and_is_done_when_none_runs(busy_counter: Counter) -> None:
    order = busy_counter.start()
    render = busy_counter.render(order.job_id)
    assert busy_counter.result("shutdown") == {"mode": "stop"}
    assert render.mail(StopRender) == StopRender(run=order.run, why="stop")
    assert busy_counter.refusal("submit", job=busy_counter.spec())["code"] == "busy"
    busy_counter.stopped(order)
    busy_counter.supervisor.mail(QueueDone)
    view = busy_counter.view(order.job_id)
    assert (view["status"], view["attempts"]) == ("queued", 0)
    assert busy_counter.last(order.job_id)["data"]["why"] == "stop"


def test_a_drain_to_the_end_lets_running_jobs_finish(busy_counter: Counter) -> None:
    order = busy_counter.start()
    waiting = busy_counter.submit()["id"]
    assert busy_counter.result("shutdown", mode="drain") == {"mode": "drain"}
    busy_counter.complete(order)
    busy_counter.supervisor.mail(QueueDone)
    assert busy_counter.view(waiting)["status"] == "queued"


def test_a_drain_to_the_end_refuses_only_what_brings_work(busy_counter: Counter) -> None:
    job_id, waiting = busy_counter.start().job_id, busy_counter.submit()["id"]
    busy_counter.result("shutdown", mode="drain")
    for kind, fields in [("retry", {"job_id": job_id}), ("drain", {}), ("resume", {})]:
        assert busy_counter.refusal(kind, **fields)["code"] == "busy"
    for kind in ("pause", "unpause"):
        assert busy_counter.result(kind, job_id=job_id)["changed"] is True
    assert busy_counter.result("boost", job_id=waiting, front=True)["position"] == 1
    assert busy_counter.result("slots", slots={"cpu": 3})["slots"] == {"cpu": 3}
    assert busy_counter.view(waiting)["status"] == "queued"


def test_a_drain_to_the_end_may_be_hurried_and_a_stop_may_not(busy_counter: Counter) -> None:
    order = busy_counter.start()
    render = busy_counter.render(order.job_id)
    busy_counter.result("shutdown", mode="drain")
    busy_counter.result("shutdown", mode="stop")
    render.mail(StopRender)
    assert busy_counter.refusal("shutdown", mode="drain")["code"] == "busy"
    busy_counter.turn(BeginStop(signal="SIGTERM", by="ada"))
    busy_counter.stopped(order)
    busy_counter.supervisor.mail(QueueDone)
    kinds = [event["data"].get("mode") for event in busy_counter.events() if event["type"] == "daemon.stopping"]
    assert kinds == ["drain", "stop"]


def test_a_signal_stops_a_queue_that_has_nothing_to_do_at_once(counter: Counter) -> None:
    counter.turn(BeginStop(signal="SIGTERM", by="ada"))
    counter.supervisor.mail(QueueDone)


# ---------------------------------------------------------------- recovery


def test_what_ran_when_the_queue_died_is_ordered_anew_in_the_same_run(busy_counter: Counter) -> None:
    order = busy_counter.start(outputs=2)
    busy_counter.complete(order, 0)
    busy_counter.reopen(slots=1)
    again = busy_counter.order()
    assert again == StartRender(
        job_id=order.job_id, run=order.run, spec=order.spec, pending=[1], stop=None, discard=None
    )


def test_a_wish_that_was_on_disk_when_the_queue_died_is_kept(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.result("cancel", job_id=order.job_id)
    busy_counter.reopen(slots=1)
    again = busy_counter.order()
    assert (again.job_id, again.run, again.stop) == (order.job_id, order.run, "cancel")


def test_the_history_goes_on_without_a_gap(busy_counter: Counter) -> None:
    busy_counter.start()
    busy_counter.reopen(slots=1)
    busy_counter.submit()
    seqs = [event["seq"] for event in busy_counter.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_each_event_is_its_jobs_newest_seq_and_in_its_shape(busy_counter: Counter) -> None:
    order = busy_counter.start()
    busy_counter.complete(order)
    for event in busy_counter.events():
        contract.check(event, contract.EVENT)
    assert busy_counter.view(order.job_id)["seq"] == busy_counter.last(order.job_id)["seq"]


def test_a_job_unlike_all_that_wait_is_not_queued_again_where_these_are_too_unlike_each_other(
    busy_counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_SHAPES", 1)
    busy_counter.result("slots", slots={"cpu": 3})
    order = busy_counter.start(resources={"cpu": 3})
    busy_counter.fail(order)
    busy_counter.result("drain")
    busy_counter.submit(resources={"cpu": 2})
    refusal = busy_counter.refusal("retry", job_id=order.job_id)
    assert (refusal["code"], refusal["details"]["path"]) == ("conflict", "job.resources")
    assert busy_counter.view(order.job_id)["status"] == "failed"

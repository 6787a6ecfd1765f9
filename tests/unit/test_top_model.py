"""What `rushes top` makes of views and events, without a terminal and without a daemon."""

import pytest

from bus.messages import JobView
from cli.top.model import ENDED_KEPT, QUEUE_SHOWN, Model
from tests.support.views import at, cancelled, event, failed, job_view, output_view, status_result


def ident(short: str) -> str:
    return short.ljust(16, "x")


def rendering(short: str, **more: object) -> JobView:
    facts = {"status": "processing", "phase": "rendering", "started_at": at("03:01:00"), **more}
    return job_view(short, output_view(f"/out/{short}.mp4", status="rendering"), **facts)


@pytest.fixture
def model() -> Model:
    """One job runs, two wait, one has failed; told up to event 10."""
    model = Model()
    model.take_running([rendering("run")])
    model.take_queue([job_view("one", position=1), job_view("two", position=2)])
    model.take_ended([failed("bad", "bad_args", "no such option")])
    model.take_status(status_result(10, processing=1, queued=2, failed=1))
    return model


def counts(model: Model) -> dict[str, int]:
    return {status: count for status, count in model.counts.items() if count}


# ---------------------------------------------------------------- a job's life


def test_a_status_that_events_have_overtaken_loses_none_of_them(model: Model) -> None:
    for seq in (11, 12):
        model.take(event(seq, "job.submitted", "new"))
    model.take_status(status_result(11, processing=1, queued=3, failed=1))  # it was asked for before the second
    assert model.counts["queued"] == 4
    model.take(event(13, "job.started", "new"))
    assert (model.counts["queued"], model.counts["processing"]) == (3, 2)


def test_a_submit_is_counted_and_the_queue_is_asked_for(model: Model) -> None:
    model.take(event(11, "job.submitted", "new", priority=0, outputs=["/out/new.mp4"]))
    assert counts(model) == {"processing": 1, "queued": 3, "failed": 1}
    assert model.stale == {"queue"}


def test_a_submit_behind_a_full_page_asks_for_nothing(model: Model) -> None:
    model.take_queue([job_view(f"q{number}", priority=5, position=number) for number in range(QUEUE_SHOWN)])
    model.take(event(11, "job.submitted", "new", priority=5, outputs=[]))
    assert model.stale == set()
    model.take(event(12, "job.submitted", "urgent", priority=6, outputs=[]))
    assert model.stale == {"queue"}


def test_a_start_takes_the_job_out_of_the_queue_and_those_behind_it_move_up(model: Model) -> None:
    model.take(event(11, "job.started", "one", attempt=1))
    assert [(job.id, job.position) for job in model.queue] == [(ident("two"), 1)]
    assert counts(model) == {"processing": 2, "queued": 1, "failed": 1}
    assert model.running[ident("one")].phase == "starting"
    assert model.stale == {"running"}


def test_more_of_a_long_queue_is_asked_for_before_its_page_is_empty(model: Model) -> None:
    model.take_status(status_result(10, queued=1000))
    model.take_queue([job_view(f"q{number:03}", position=number + 1) for number in range(QUEUE_SHOWN)])
    for number in range(QUEUE_SHOWN // 2):
        model.take(event(11 + number, "job.started", f"q{number:03}", attempt=1))
        assert "queue" not in model.stale
    model.take(event(100, "job.started", "q050", attempt=1))
    assert "queue" in model.stale


def test_progress_moves_the_bar_and_counts_as_no_event(model: Model) -> None:
    before = model.version
    model.take(
        event(None, "job.progress", "run", progress=0.5, phase="rendering", index=0, output_progress=0.5, speed=2.0,
              eta=12.0, size=1000)
    )  # fmt: skip
    [job] = model.running.values()
    assert (job.progress, job.outputs[0].speed, job.outputs[0].eta, job.outputs[0].size) == (0.5, 2.0, 12.0, 1000)
    assert model.version > before
    assert not model.feed


def test_progress_of_a_job_that_is_not_shown_changes_nothing(model: Model) -> None:
    model.take(event(None, "job.progress", "else", progress=0.5, phase="rendering", index=0))
    assert list(model.running) == [ident("run")]


def test_a_job_that_is_being_stopped_says_so_though_progress_still_comes(model: Model) -> None:
    model.take(event(11, "job.cancelling", "run", reason="x", notes=None))
    model.take(event(None, "job.progress", "run", progress=0.6, phase="rendering", index=0))
    assert model.running[ident("run")].phase == "stopping"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
def test_an_end_moves_the_job_to_the_outcomes(model: Model, end: str) -> None:
    view = job_view("run", status=end, seq=11, finished_at=at("03:10:00"))
    model.take(event(11, f"job.{end}", "run", job=view, stop=None))
    assert not model.running
    assert model.job(ident("run")) == view
    assert model.counts["processing"] == 0
    assert model.counts[end] == (2 if end == "failed" else 1)
    assert model.stale == set()


def test_a_cancel_of_a_queued_job_is_counted_as_one_of_the_queue(model: Model) -> None:
    model.take(event(11, "job.cancelled", "one", job=cancelled("one", "x", "kim", seq=11), stop=None))
    assert counts(model) == {"processing": 1, "queued": 1, "failed": 1, "cancelled": 1}
    assert [job.id for job in model.queue] == [ident("two")]


def test_a_job_that_started_a_moment_ago_is_one_of_the_running_when_it_is_cancelled(model: Model) -> None:
    model.take(event(11, "job.started", "one", attempt=1))
    model.take(event(12, "job.cancelled", "one", job=cancelled("one", "x", "kim", seq=12), stop=None))
    assert counts(model) == {"processing": 1, "queued": 1, "failed": 1, "cancelled": 1}


def test_a_retry_takes_the_job_out_of_the_outcomes(model: Model) -> None:
    model.take(event(11, "job.requeued", "bad", why="retry"))
    assert not model.ended
    assert [job.id for job in model.queue] == [ident("one"), ident("two"), ident("bad")]
    assert counts(model) == {"processing": 1, "queued": 3}
    assert model.stale == {"queue"}


@pytest.mark.parametrize("why", ["attempt", "stop", "recovery", "disk"])
def test_a_job_that_goes_back_to_the_queue_no_longer_runs(model: Model, why: str) -> None:
    model.take(event(11, "job.requeued", "run", why=why))
    assert not model.running
    assert (model.queue[-1].id, model.queue[-1].status) == (ident("run"), "queued")
    assert counts(model) == {"queued": 3, "failed": 1}


@pytest.mark.parametrize(("job", "status"), [("run", "processing"), ("one", "queued"), ("bad", "failed")])
@pytest.mark.parametrize("kind", ["deleted", "expired"])
def test_a_job_that_is_gone_is_nowhere(model: Model, job: str, status: str, kind: str) -> None:
    before = model.counts[status]
    model.take(event(11, f"job.{kind}", job, removed=[], missing=[], failed=[], status=status))
    assert model.job(ident(job)) is None
    assert model.counts[status] == before - 1


def test_an_event_that_this_version_does_not_know_has_the_lists_asked_for_anew(model: Model) -> None:
    model.take(event(11, "job.paused", "run"))
    assert "running" in model.stale
    model.take(event(12, "job.paused", "one"))
    assert "queue" in model.stale
    model.take(event(13, "daemon.slots_changed"))
    assert "status" in model.stale


# ---------------------------------------------------------------- what was asked for meets what happens


def test_events_up_to_the_status_are_in_its_counts_already(model: Model) -> None:
    model.take(event(10, "job.submitted", "two", priority=0, outputs=[]))
    assert model.counts["queued"] == 2
    model.take_status(status_result(12, queued=7))
    model.take(event(12, "job.submitted", "x", priority=0, outputs=[]))
    model.take(event(13, "job.submitted", "y", priority=0, outputs=[]))
    assert model.counts["queued"] == 8


def test_a_list_that_is_older_than_an_end_does_not_bring_the_job_back(model: Model) -> None:
    view = job_view("run", status="completed", seq=11, finished_at=at("03:10:00"))
    model.take(event(11, "job.completed", "run", job=view))
    model.take_running([rendering("run", seq=5)])
    assert not model.running
    model.take_running([rendering("run", seq=12)])
    assert list(model.running) == [ident("run")]


def test_a_list_that_is_older_than_a_start_takes_no_job_out_of_sight(model: Model) -> None:
    queue, running = list(model.queue), list(model.running.values())
    model.take(event(11, "job.started", "one", attempt=1))
    model.take_running(running)
    model.take_queue(queue)
    assert set(model.running) == {ident("run"), ident("one")}
    assert [job.id for job in model.queue] == [ident("two")]


def test_a_list_of_the_queue_that_is_older_than_a_cancel_does_not_bring_the_job_back(model: Model) -> None:
    queue = list(model.queue)
    model.take(event(11, "job.cancelled", "one", job=cancelled("one", "x", "kim", seq=11), stop=None))
    model.take_queue(queue)
    assert [job.id for job in model.queue] == [ident("two")]


def test_only_so_many_outcomes_are_kept_and_they_are_the_latest() -> None:
    model = Model()
    for number in range(ENDED_KEPT + 20):
        clock = f"{number // 60:02}:{number % 60:02}:00"
        view = job_view(f"e{number:03}", status="completed", seq=number + 1, finished_at=at(clock))
        model.take(event(number + 1, "job.completed", f"e{number:03}", job=view))
    assert len(model.ended) == ENDED_KEPT
    assert ident("e019") not in model.ended
    assert ident("e020") in model.ended


# ---------------------------------------------------------------- the daemon


def test_drain_and_resume_are_told(model: Model) -> None:
    told = []
    for seq, kind in enumerate(("draining", "resumed"), start=11):
        model.take(event(seq, f"daemon.{kind}"))
        told.append(model.draining)
    assert told == [True, False]


def test_a_daemon_that_begins_anew_has_everything_asked_for(model: Model) -> None:
    told = []
    for happens in (
        event(11, "daemon.stopping", mode="stop", signal="SIGTERM"),
        event(12, "daemon.started", version="0.2.0", pid=1),
    ):
        model.take(happens)
        told.append(model.stopping)
    assert told == ["stop", None]
    assert model.stale == {"status", "running", "queue"}


def test_a_low_disk_is_known_until_there_is_room(model: Model) -> None:
    model.take(event(11, "daemon.disk_low", folder="/out", free=5, floor=100))
    assert model.low["/out"] == (5, 100)
    assert model.stale == {"queue"}
    model.take(event(12, "daemon.disk_ok", folder="/out", free=500))
    assert not model.low


def test_another_store_begins_with_nothing(model: Model) -> None:
    model.take(event(11, "daemon.draining"))
    model.forget()
    assert (model.queue, model.running, model.ended, counts(model)) == ([], {}, {}, {})
    assert (model.seen, model.draining, list(model.feed)) == (0, False, [])

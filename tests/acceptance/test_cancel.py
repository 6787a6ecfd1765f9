"""PROTOCOL.md, rules of `cancel`, and section 4: stopped means stopped."""

import getpass
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.contract import CANCEL, JOB, check
from tests.support.daemon import Daemon, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, picture, quick
from tests.support.processes import eventually, kill_all
from tests.support.wire import Dealer

PATIENT = 20
"""A grace after which an FFmpeg that is asked with `q` has surely ended, however busy the machine is."""


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    with serving(slots=2, grace=PATIENT) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def impatient(temperamental: Path) -> Iterator[Daemon]:
    """A daemon with a short grace, whose FFmpeg may have a temper."""
    with serving(slots=2, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


def partials(daemon: Daemon) -> list[Path]:
    return list(daemon.out.glob(".rushes-*"))


def test_a_queued_job_is_cancelled_at_once(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "queued.mp4"))["id"]
    result = daemon.result("cancel", job_id=job_id, reason="wrong cut", notes="see ticket 7")
    view = result["job"]
    check(view, JOB)
    check(view["cancel"], CANCEL)
    assert result["changed"] is True
    assert (view["status"], view["phase"], view["outputs"][0]["status"]) == ("cancelled", None, "cancelled")
    cancel = {name: view["cancel"][name] for name in ("by", "reason", "notes")}
    assert cancel == {"by": getpass.getuser(), "reason": "wrong cut", "notes": "see ticket 7"}
    assert view["cancelled_at"] is not None
    assert daemon.kinds(job_id) == ["submitted", "cancelled"]


def test_the_reason_is_the_users_request_where_none_is_given(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "reason.mp4"))["id"]
    cancel = daemon.result("cancel", job_id=job_id)["job"]["cancel"]
    assert (cancel["reason"], cancel["notes"]) == ("user_request", None)


def test_a_processing_job_is_shown_as_stopping_and_then_is_cancelled(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "stopping.mp4"))
    child = daemon.child(job_id)
    result = daemon.result("cancel", job_id=job_id)
    assert result["changed"] is True
    assert (result["job"]["status"], result["job"]["phase"]) == ("processing", "stopping")
    view = daemon.outcome(job_id)
    assert (view["status"], view["phase"], view["completed_outputs"]) == ("cancelled", None, 0)
    assert not child.members()
    assert not partials(daemon)
    assert not (daemon.out / "stopping.mp4").exists()


def test_q_is_enough_for_an_ffmpeg_that_obeys_and_each_step_is_an_event(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "q.mp4"))
    daemon.result("cancel", job_id=job_id, wait=30)
    expected = ["submitted", "started", "output_started", "cancelling", "signalled", "cancelled"]
    assert daemon.kinds(job_id) == expected
    assert daemon.stages(job_id) == ["q"]


def test_with_wait_the_reply_comes_when_the_job_is_cancelled(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "wait.mp4"))
    child = daemon.child(job_id)
    result = daemon.result("cancel", job_id=job_id, wait=30)
    assert (result["job"]["status"], result["changed"]) == ("cancelled", True)
    assert not child.members()


def test_the_cancelled_event_carries_the_view_and_who_asked(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "event.mp4"))
    command_id = daemon.wire.send("cancel", job_id=job_id, wait=30)
    view = daemon.wire.reply_to(command_id)["result"]["job"]
    event = daemon.event(job_id, "cancelled")
    assert event["data"]["job"] == view == daemon.view(job_id)
    assert (event["by"], event["command_id"]) == (getpass.getuser(), command_id)
    assert daemon.event(job_id, "cancelling")["command_id"] == command_id


def test_a_second_cancel_changes_nothing_of_the_first(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "twice.mp4"))
    first = daemon.result("cancel", job_id=job_id, reason="first", wait=30)["job"]
    second = daemon.result("cancel", job_id=job_id, reason="second", notes="me too")
    assert second["changed"] is False
    assert second["job"] == first
    assert second["job"]["cancel"]["reason"] == "first"


def test_two_clients_that_cancel_at_once_find_one_cancellation(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "both.mp4"))
    with Dealer(daemon.bus) as one, Dealer(daemon.bus) as other:
        asked = one.send("cancel", job_id=job_id, reason="one", wait=30)
        also = other.send("cancel", job_id=job_id, reason="other", wait=30)
        replies = {"one": one.reply_to(asked)["result"], "other": other.reply_to(also)["result"]}
    (changer,) = [name for name, result in replies.items() if result["changed"]]
    assert replies["one"]["job"] == replies["other"]["job"]
    assert replies["one"]["job"]["cancel"]["reason"] == changer
    assert daemon.kinds(job_id).count("cancelled") == 1
    assert daemon.stages(job_id) == ["q"]


def test_a_completed_or_failed_job_cannot_be_cancelled(daemon: Daemon) -> None:
    broken = daemon.out / "broken.mov"
    broken.write_bytes(b"no film at all")
    completed = daemon.finish(quick(daemon.out / "completed.mp4"))
    failed = daemon.finish({**quick(daemon.out / "failed.mp4"), "inputs": [{"path": str(broken)}]})
    for job in (completed, failed):
        error = daemon.refusal("cancel", job_id=job["id"])
        assert error["code"] == "conflict"
        assert error["details"]["job"] == job
    assert [completed["status"], failed["status"]] == ["completed", "failed"]


def test_outputs_that_had_completed_survive_a_cancel(daemon: Daemon) -> None:
    job = quick(daemon.out / "kept.mp4", daemon.out / "gone.mp4", daemon.out / "never.mp4")
    job["outputs"][1] = {
        **lasting(daemon.out / "gone.mp4")["outputs"][0],
        "inputs": [picture(real_time=True)],
    }
    job_id = daemon.submit(job)["id"]
    eventually(lambda: daemon.kinds(job_id).count("output_started") == 2, "the second output renders")
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert [output["status"] for output in view["outputs"]] == ["completed", "cancelled", "cancelled"]
    assert view["completed_outputs"] == 1
    assert sorted(path.name for path in daemon.out.glob("[gkn]*e*.mp4")) == ["kept.mp4"]
    assert (daemon.out / "kept.mp4").stat().st_size == view["outputs"][0]["size"]


def test_a_stopped_ffmpeg_is_woken_and_cancelled_gracefully(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "sigstop.mp4"))
    child = daemon.child(job_id)
    os.killpg(child.shim.pid, signal.SIGSTOP)
    view = daemon.result("cancel", job_id=job_id, wait=30)["job"]
    assert view["status"] == "cancelled"
    assert daemon.stages(job_id) == ["q"]
    assert not child.members()


def test_one_that_is_deaf_to_q_is_ended_by_sigterm(impatient: Daemon) -> None:
    job_id = impatient.submit(tempered(lasting(impatient.out / "deaf.mp4"), "deaf"))["id"]
    child = impatient.child(job_id)
    impatient.result("cancel", job_id=job_id, wait=30)
    assert impatient.stages(job_id) == ["q", "SIGTERM"]
    assert not child.members()


def test_one_that_ignores_all_with_a_child_of_its_own_is_killed_with_it(impatient: Daemon) -> None:
    job_id = impatient.submit(tempered(lasting(impatient.out / "stubborn.mp4"), "stubborn"))["id"]
    child = impatient.child(job_id)
    eventually(lambda: len(child.members()) >= 3, "it has a child of its own")
    view = impatient.result("cancel", job_id=job_id, wait=30)["job"]
    assert not child.members()
    assert view["status"] == "cancelled"
    assert impatient.stages(job_id) == ["q", "SIGTERM", "SIGKILL"]


def test_a_child_that_outlives_an_ffmpeg_that_obeyed_is_ended_before_the_job_is_cancelled(impatient: Daemon) -> None:
    job_id = impatient.rendering(tempered(lasting(impatient.out / "parental.mp4"), "parental"))
    child = impatient.child(job_id)
    eventually(lambda: len(child.members()) >= 3, "it has a child of its own")
    view = impatient.result("cancel", job_id=job_id, wait=30)["job"]
    assert not child.members()
    assert view["status"] == "cancelled"
    stages = impatient.stages(job_id)
    assert (stages[0], stages[-1]) == ("q", "SIGKILL")


def test_the_wish_survives_the_daemons_death_right_after_its_reply(impatient: Daemon) -> None:
    job_id = impatient.submit(tempered(lasting(impatient.out / "wish.mp4"), "stubborn"))["id"]
    child = impatient.child(job_id)
    wish = impatient.result("cancel", job_id=job_id, reason="remember me")["job"]["cancel"]
    impatient.restart()
    view = impatient.outcome(job_id)
    assert (view["status"], view["cancel"]) == ("cancelled", wish)
    assert not child.members()
    assert not partials(impatient)


def test_the_wish_is_kept_where_the_child_ends_while_no_daemon_is_there(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "away.mp4"))
    child = daemon.child(job_id)
    daemon.result("cancel", job_id=job_id)
    daemon.kill9()
    kill_all(child.members())
    eventually(lambda: not child.members(), "the child is gone")
    daemon.start()
    assert daemon.outcome(job_id)["status"] == "cancelled"
    assert not partials(daemon)

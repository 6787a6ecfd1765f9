"""PROTOCOL.md to the letter, where no other test looks: `wait` on every command, exact paths, who finds the bus."""

import os
import subprocess
from collections.abc import Callable

import pytest

from tests.support.daemon import SCRIPT, Daemon, clean_environment
from tests.support.jobs import lasting, quick

Start = Callable[..., Daemon]


def test_with_wait_a_boost_is_answered_when_the_job_has_ended(daemon: Daemon) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / "boosted.mp4"))["id"]
    asked = daemon.wire.send("boost", job_id=job_id, front=True, wait=30)
    daemon.result("resume")
    reply = daemon.wire.reply_to(asked)
    assert (reply["ok"], reply["result"]["job"]["status"]) == (True, "completed")


@pytest.mark.parametrize("kind", ["drain", "resume", "status", "list"])
def test_wait_means_nothing_where_no_job_is_meant(daemon: Daemon, kind: str) -> None:
    assert daemon.ask(kind, wait=3600)["ok"] is True


@pytest.mark.parametrize(("priority", "by"), [(1000, 1), (-1000, -1), (999, 2)])
def test_a_boost_beyond_the_range_of_priorities_is_invalid_and_changes_nothing(
    daemon: Daemon, priority: int, by: int
) -> None:
    daemon.result("drain")
    job_id = daemon.submit(quick(daemon.out / f"{priority}{by}.mp4", priority=priority))["id"]
    refused = daemon.refusal("boost", job_id=job_id, by=by)
    assert (refused["code"], refused["details"]["path"]) == ("invalid", "by")
    assert daemon.view(job_id)["priority"] == priority


@pytest.mark.parametrize(
    ("spoil", "path"),
    [
        (lambda job: job["inputs"].append({"path": 7}), "job.inputs[1].path"),
        (lambda job: job["outputs"][1].update(args=["-an", 7]), "job.outputs[1].args[1]"),
        (lambda job: job["outputs"][0].update(inputs=[{"args": [0], "path": "x"}]), "job.outputs[0].inputs[0].args[0]"),
        (lambda job: job["outputs"][1].update(colour="red"), "job.outputs[1].colour"),
    ],
    ids=["input", "argument", "an output's own input", "unknown"],
)  # fmt: skip
def test_the_field_that_is_wrong_is_named_with_its_place(
    daemon: Daemon, spoil: Callable[[object], None], path: str
) -> None:
    job = quick(daemon.out / "a.mp4", daemon.out / "b.mp4")
    spoil(job)
    refused = daemon.refusal("submit", job=job)
    assert (refused["code"], refused["details"]["path"]) == ("invalid", path)


def test_a_job_that_has_just_got_its_slot_is_starting_and_has_no_place_any_more(daemon: Daemon) -> None:
    with daemon.listener("job.") as listener:
        job_id = daemon.submit(lasting(daemon.out / "phases.mp4"))["id"]
        listener.wait_for("job.started", job_id)
        view = daemon.view(job_id)
        assert (view["status"], view["position"]) == ("processing", None)
        assert view["phase"] in ("starting", "rendering")


def test_daemon_and_client_find_each_other_where_nothing_is_set(start: Start) -> None:
    daemon = start(bus="ipc://{base}/rushes", untold=["bus"], env={"XDG_RUNTIME_DIR": "{base}"})
    found = subprocess.run(
        [SCRIPT[0], "status"], capture_output=True, text=True, check=False, timeout=30,
        env=clean_environment({"XDG_RUNTIME_DIR": str(daemon.base)}),
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert f"pid {daemon.pid}" in found.stdout


def test_the_form_of_the_log_has_a_twin_in_the_environment(start: Start) -> None:
    daemon = start(untold=["log_format"], env={"RUSHES_LOG_FORMAT": "console"})
    lines = [line for line in daemon.stderr().splitlines() if "daemon_ready" in line]
    assert len(lines) == 1
    assert not lines[0].startswith("{")
    status = daemon.terminate()
    assert status == 0
    os.truncate(daemon.base / "stderr", 0)  # a log for people is no defect

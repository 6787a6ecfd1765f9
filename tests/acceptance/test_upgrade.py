"""A new version takes over what an older one left: its FFmpegs, without a minute lost, and its store."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from actors.jobs.sql import migrations
from tests.support.daemon import Daemon
from tests.support.fakes import noted_runs, tempered
from tests.support.faults import FILE_NAME
from tests.support.jobs import lasting, quick
from tests.support.media import Clips
from tests.support.old_stores import SCHEMAS, claim_output, leave_run, make_store
from tests.support.processes import eventually, process
from tests.support.shell import Shell

ROOT = Path(__file__).parents[2]

NEXT_VERSION = "99.0"


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second install: the same code in another folder, which says that it is another version."""
    folder = tmp_path_factory.mktemp("next")
    for package in ("actors", "bus", "cli"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    info = folder / f"rushes-{NEXT_VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: rushes\nVersion: {NEXT_VERSION}\n")
    return folder


class Upgraded(Daemon):
    """A data folder that is served by one version after the other."""

    def install(self, version: Path) -> None:
        """From its next start on, it is of that version."""
        self._env = {**self._env, "PYTHONPATH": str(version)}


@pytest.fixture
def daemon(temperamental: Path) -> Iterator[Upgraded]:
    found = Upgraded(slots=1, ffmpeg=temperamental)
    try:
        yield found
    finally:
        print(found.stderr())
        found.close()


def reported(daemon: Daemon, job_id: str) -> int:
    """The bytes of what the job's FFmpeg has told of its progress."""
    (file,) = (daemon.data / "work" / job_id).glob("*/progress")
    return file.stat().st_size


def rows(daemon: Daemon, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{daemon.data / FILE_NAME}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


# ---------------------------------------------------------------- what encodes


def test_an_upgrade_as_the_unit_describes_it_loses_no_minute_of_encoding(
    daemon: Upgraded, next_version: Path, clips: Clips
) -> None:
    daemon.start()
    shell = Shell(daemon.bus, daemon.out)
    before = daemon.result("status")
    target, after = daemon.out / "running.mp4", daemon.out / "queued.mp4"
    job_id = daemon.rendering(tempered(lasting(target, 12), "noting"))
    queued = daemon.submit(quick(after))["id"]
    child = daemon.child(job_id)

    assert f"pid {daemon.pid} has ended" in shell.do("shutdown", "--mode", "leave", "--wait")
    assert daemon.ended() == 0
    told = reported(daemon, job_id)
    eventually(lambda: reported(daemon, job_id) > told, "FFmpeg encodes while no daemon is there")
    daemon.install(next_version)
    daemon.start()

    status = daemon.result("status")
    assert (status["version"], status["epoch"]) == (NEXT_VERSION, before["epoch"])
    now = daemon.child(job_id).ffmpeg
    assert (now.pid, now.started) == (child.ffmpeg.pid, child.ffmpeg.started)
    with daemon.listener("job.") as listener:
        assert listener.progress(job_id) < 1
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert daemon.outcome(queued)["status"] == "completed"
    assert noted_runs(daemon.base, job_id) == 1
    assert rows(daemon, "SELECT count(*), max(run) FROM attempts WHERE job = 1") == [(1, 1)]
    assert daemon.kinds(job_id) == [
        "submitted", "started", "output_started", "output_completed", "completed"
    ]  # fmt: skip
    assert clips.probe(target).duration == pytest.approx(12, abs=0.2)
    assert process(child.ffmpeg.pid) is None
    seqs = [event["seq"] for event in daemon.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_whoever_is_not_upgraded_yet_hears_so_from_the_doctor(daemon: Upgraded, next_version: Path) -> None:
    daemon.install(next_version)
    daemon.start()
    lines = Shell(daemon.bus, daemon.out).do("doctor", "--data", str(daemon.data)).splitlines()
    (line,) = [line for line in lines if line[6:].startswith("version ")]
    assert line.startswith(f"warn  version        the daemon runs {NEXT_VERSION}, this program is ")
    assert "rushes shutdown --mode leave --wait" in line


# ---------------------------------------------------------------- what is stored


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_store_of_an_older_schema_is_opened_and_its_jobs_run(daemon: Upgraded, schema: int, clips: Clips) -> None:
    store = make_store(schema, daemon.base)
    done = daemon.out / "done.mp4"
    shutil.copy(clips.clip(0.5), done)
    claim_output(store, done)
    with closing(sqlite3.connect(store)) as connection:
        ((running,),) = connection.execute("SELECT id FROM jobs WHERE status = 'processing'").fetchall()
    leave_run(daemon.base, running)
    doctor = Shell(daemon.bus, daemon.out).do("doctor", "--data", str(daemon.data))
    assert f"schema {schema}, which the daemon will bring to {len(migrations())}" in doctor

    daemon.start()
    jobs = {job["outputs"][0]["path"].rpartition("/")[2]: job for job in daemon.result("list")["jobs"]}
    assert jobs.keys() == {
        f"{name}.mp4" for name in ("done", "fails", "cancelled", "running", "last", "front", "named")
    }
    assert rows(daemon, "PRAGMA user_version") == [(len(migrations()),)]

    # What ran when its daemon was killed is done again, in its place among what was queued.
    for name in ("front", "named", "running", "last"):
        view = daemon.outcome(jobs[f"{name}.mp4"]["id"])
        assert view["status"] == "completed", view["error"]
        assert clips.probe(daemon.out / f"{name}.mp4").duration > 0
    assert daemon.kinds(jobs["running.mp4"]["id"])[-5:] == [
        "requeued", "started", "output_started", "output_completed", "completed"
    ]  # fmt: skip
    started = [event["job_id"] for event in daemon.events() if event["type"] == "job.started"]
    assert started[-4:] == [jobs[f"{name}.mp4"]["id"] for name in ("front", "named", "running", "last")]
    named = daemon.view(jobs["named.mp4"]["id"])
    assert (named["name"], named["session"], named["metadata"]) == ("day 1", "dailies", {"reel": "A001"})

    # What had ended is as it was, and can be retried and deleted.
    assert jobs["cancelled.mp4"]["cancel"]["reason"] == "wrong take"
    assert jobs["fails.mp4"]["error"]["code"] == "unknown_encoder"
    daemon.result("retry", job_id=jobs["fails.mp4"]["id"])
    assert daemon.outcome(jobs["fails.mp4"]["id"])["attempts"] == 2
    deleted = daemon.result("delete", job_id=jobs["done.mp4"]["id"], wait=30)
    assert (deleted["removed"], deleted["failed"]) == ([str(done)], [])
    assert not done.exists()

    # Its history goes on.
    seqs = [event["seq"] for event in daemon.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    for job in jobs.values():
        (job_id,) = {event["job_id"] for event in daemon.events(job["id"])}
        assert job_id == job["id"]
    assert len(daemon.result("audit")["entries"]) == len(rows(daemon, "SELECT * FROM audit"))

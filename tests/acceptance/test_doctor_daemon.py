"""`rushes doctor` beside daemons: what it says of one that runs, of its store, and of what a killed one left."""

import fcntl
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.doctor import MAY_DIFFER, NO_FFMPEG, NOBODY, Doctor, Line, of
from tests.support.faults import FILE_NAME
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.processes import eventually, kill_all, process, working_in
from tests.support.shell import DONE
from tests.support.sqlite_files import flip

ROOT = Path(__file__).parents[2]

WHERE_THE_UNIT_IS = """\
import sys
from actors.doctor import __main__, service
service.UNITS = (sys.argv.pop(1),)
sys.exit(__main__.run())
"""

AS_NOBODY = f"""\
import os, sys
from actors.doctor import __main__
os.setgroups([])
os.setuid({NOBODY})
sys.exit(__main__.run())
"""

# ---------------------------------------------------------------- the store


@pytest.fixture
def served(start: Callable[..., Daemon]) -> Daemon:
    """A daemon of this test's own, which has a job behind it."""
    daemon = start(slots=1)
    assert daemon.finish(quick(daemon.out / "done.mp4"))["status"] == "completed"
    return daemon


def contents(data: Path) -> dict[str, bytes]:
    """The store's files, but for the index of its log, which is made anew by whoever opens it."""
    return {path.name: path.read_bytes() for path in data.glob(f"{FILE_NAME}*") if not path.name.endswith("-shm")}


def test_a_sound_store_is_looked_through_and_not_changed(served: Daemon) -> None:
    served.terminate()
    before, names = contents(served.data), sorted(path.name for path in served.data.iterdir())
    line = of(served).ask().one("store")
    assert line.state == "ok"
    assert line.message.startswith("schema ")
    assert line.message.endswith("sound")
    assert contents(served.data) == before
    assert sorted(path.name for path in served.data.iterdir()) == names
    served.start()


def test_the_store_of_a_daemon_that_was_killed_is_read_with_its_log_and_not_changed(served: Daemon) -> None:
    served.kill9()
    before = contents(served.data)
    assert before[f"{FILE_NAME}-wal"]
    line = of(served).ask().one("store")
    assert ", 1 completed, " in line.message
    assert line.message.endswith("sound")
    assert contents(served.data) == before
    served.start()


def test_a_store_that_cannot_be_used_fails_with_what_to_do(served: Daemon) -> None:
    served.terminate()
    store = served.data / FILE_NAME
    sound = store.read_bytes()
    doctor = of(served, ffmpeg=NO_FFMPEG)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "made by a newer Rushes" in doctor.ask().one("store").message
    store.write_bytes(sound)
    flip(store, 100, 200)
    damaged = doctor.ask()
    assert damaged.states("fail") == {"ffmpeg", "store"}
    assert "put a backup in its place" in damaged.one("store").message
    store.unlink()
    assert "is gone, and a daemon has served from here before" in doctor.ask().one("store").message
    store.write_bytes(sound)
    served.start()


# ---------------------------------------------------------------- a daemon and what it left


def test_a_daemon_that_serves_is_in_order_and_not_disturbed(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "running.mp4"))
    answer = of(daemon).ask()
    assert answer.status == DONE
    assert answer.states("warn") <= MAY_DIFFER
    assert answer.one("daemon").message == f"pid {daemon.pid}, 1 of 2 slots busy, 0 queued"
    assert answer.one("store").message == f"the daemon (pid {daemon.pid}) has it, and looks after it"
    assert answer.one("version").state == "ok"
    assert answer.one("round trip").message.startswith("takes ")
    assert answer.one("leftovers").message == f"none; the daemon (pid {daemon.pid}) looks after 1 run of FFmpeg"
    assert "the daemon may have" in answer.one("descriptors").message
    assert daemon.view(job_id)["status"] == "processing"
    daemon.result("drain")
    draining = of(daemon).ask().one("daemon")
    assert (draining.state, draining.remedy) == ("warn", "rushes resume, once that is wanted")


def test_a_daemon_that_hangs_is_told_from_one_that_is_not_there(daemon: Daemon) -> None:
    daemon.signal(signal.SIGSTOP)
    try:
        answer = of(daemon).ask()
    finally:
        daemon.signal(signal.SIGCONT)
    assert answer.states("fail") == {"daemon"}
    hangs = answer.one("daemon")
    assert hangs.message == f"none answers at {daemon.bus}, but the daemon (pid {daemon.pid}) has {daemon.data}"
    assert "or hangs" in (hangs.remedy or "")
    assert daemon.result("status")["running"] == 0


def test_a_bus_and_a_data_folder_that_do_not_belong_together_fail(daemon: Daemon, folder: Path) -> None:
    wrong = Doctor(daemon.data, f"ipc://{folder}/bus").ask().one("daemon")
    assert wrong.state == "fail"
    assert wrong.message == f"none answers at ipc://{folder}/bus, but the daemon (pid {daemon.pid}) has {daemon.data}"
    assert wrong.remedy == f"it is at {daemon.bus}: say --bus {daemon.bus}, or set RUSHES_BUS"
    other = Doctor(folder / "data", daemon.bus).ask().one("daemon")
    assert other.state == "fail"
    assert other.message == f"at {daemon.bus} is pid {daemon.pid}, but nobody has {folder}/data"


def test_somebody_else_is_told_what_there_is_to_see_and_whom_to_ask(folder: Path, ffmpeg: Path) -> None:
    """The daemon's users may use its bus, and not see its data folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    data = folder / "data"
    data.mkdir(mode=0o700)
    program = shutil.copy(ffmpeg, folder / "ffmpeg")  # where everybody may run it
    doctor = Doctor(data, f"ipc://{folder}/bus", ffmpeg=program)
    answer = doctor.ask(program=(sys.executable, "-c", AS_NOBODY))
    assert answer.one("data") == (
        "warn", f"{data} is of root, and you are nobody; it was not looked at",
        "say it as that user, or as root: sudo rushes doctor ...",
    )  # fmt: skip
    assert answer.one("encode").state == "ok"
    assert not answer.lines.keys() & {"store", "write", "leftovers"}


def test_a_bus_that_cannot_be_used_fails(folder: Path) -> None:
    def bus_of(address: str) -> Line:
        return Doctor(folder / "data", address, ffmpeg=NO_FFMPEG).ask().one("bus")

    assert "ipc:///absolute/folder" in bus_of("nonsense").message
    assert bus_of("tcp://192.0.2.1:7780").state == "fail"
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    assert "can be written by everybody" in bus_of(f"ipc://{folder}/open").message
    if os.geteuid() == 0:
        (folder / "other").mkdir()
        os.chown(folder / "other", NOBODY, NOBODY)
        other = bus_of(f"ipc://{folder}/other")
        assert (other.state, other.remedy) == ("fail", f"chown root {folder}/other, or name another with --bus")
        (folder / "other/commands").touch()
        other = bus_of(f"ipc://{folder}/other")
        assert (
            other.remedy
            == "to look at the daemon that is there, give its --config, or its --data; else name another with --bus"
        )


def test_a_port_for_metrics_that_somebody_else_has_fails(folder: Path, start: Callable[..., Daemon]) -> None:
    port = free_pair()
    with socket.create_server(("127.0.0.1", port)):
        doctor = Doctor(folder / "data", f"ipc://{folder}/bus", metrics_port=port, ffmpeg=NO_FFMPEG)
        answer = doctor.ask()
        assert answer.states("fail") == {"ffmpeg", "metrics"}
        assert answer.one("metrics").message == f"port {port} of 127.0.0.1 cannot be used: Address already in use"
    assert doctor.ask().one("metrics").state == "ok"
    daemon = start(metrics_port=port)
    answer = Doctor(daemon.data, daemon.bus, metrics_port=port).ask()
    assert not answer.states("fail"), "the daemon itself has it"


def test_a_bus_that_the_unit_makes_when_it_is_started_is_in_order(folder: Path) -> None:
    text = (ROOT / "deploy/rushes.service").read_text()
    (folder / "rushes.service").write_text(
        text.replace("\nRuntimeDirectory=rushes\n", "\nRuntimeDirectory=rushes-of-a-test\n")
    )
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    doctor = Doctor(data, "ipc:///run/rushes-of-a-test")
    assert doctor.ask().one("bus").state == "fail", "nobody may make it there"
    answer = doctor.ask(program=(sys.executable, "-c", WHERE_THE_UNIT_IS, str(folder)))
    assert answer.one("bus").state == "ok"
    assert answer.one("bus").message.endswith("rushes.service makes the folder when it is started")


def test_an_ffmpeg_that_a_killed_daemon_left_is_named_until_a_daemon_has_it_again(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "left.mp4"))
    child = daemon.child(job_id)
    daemon.kill9()
    (log,) = (daemon.data / "work" / job_id).glob("*/stderr")
    with log.open("rb") as read, subprocess.Popen(["sleep", "100"], stdin=read) as reader:  # one who looks at the log
        try:
            answer = of(daemon).ask()
        finally:
            reader.kill()
    assert answer.status == DONE
    left = answer.one("leftovers")
    assert left.state == "warn"
    assert left.message == f"FFmpeg (pid {child.ffmpeg.pid}) of job {job_id} runs, and no daemon looks after it"
    assert "the next daemon takes it over" in (left.remedy or "")
    assert "partials" not in answer.lines, "somebody still writes to it"
    assert process(child.ffmpeg.pid) is not None
    daemon.start()
    assert of(daemon).ask().one("leftovers").state == "ok"


def test_what_a_killed_run_left_is_told_of_and_left_to_the_next_daemon(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "left.mp4"))
    child = daemon.child(job_id)
    partial = eventually(lambda: list(daemon.out.glob(".rushes-*")), "a partial file")[0]
    daemon.kill9()
    kill_all(working_in(daemon.data))
    eventually(lambda: not child.members(), "the run is gone")
    (record,) = (daemon.data / "work" / job_id).glob("*/record")
    with record.open("rb") as held:  # as by a process of a container, which is in no list
        fcntl.flock(held, fcntl.LOCK_EX)
        unseen = of(daemon).ask().one("leftovers")
    assert unseen.state == "warn"
    assert f"has 1 record open, such as {record}" in unseen.message
    stranger = daemon.data / "work" / ("z" * 16)
    stranger.mkdir()
    answer = of(daemon).ask()
    assert answer.one("leftovers").message == f"1 work folder of jobs that the store does not know, such as {stranger}"
    assert answer.one("partials").message.startswith("1 unfinished file (")
    assert str(partial) in answer.one("partials").message
    assert partial.exists()
    daemon.start()
    eventually(lambda: not stranger.exists(), "the next daemon has removed it")

"""`rushes doctor`: what is wrong stands in one line, with what to do, and nothing is touched."""

import fcntl
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.daemon import Daemon, clean_environment
from tests.support.disks import MIB, dead_disk, small_disk
from tests.support.faults import FILE_NAME
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually, process, working_in
from tests.support.shell import DONE, PIPE_CLOSED, REFUSED, RUSHES, WRONG_USAGE, Shell
from tests.support.sqlite_files import flip

NOBODY = 65534

IMPATIENT = """\
import sys
from actors.doctor import __main__, bounded
bounded.SECONDS, __main__.FOLDER_SECONDS = 8.0, 3.0
sys.exit(__main__.run())
"""
"""A doctor who gives up on a check sooner: all but the one that hangs are done by then, on a busy machine, too."""

WHERE_A_UNIT_IS = """\
import sys
from pathlib import Path
from actors.doctor import __main__
__main__.USUAL_CONFIG = Path(sys.argv.pop(1))
sys.exit(__main__.run())
"""

AS_NOBODY = f"""\
import os, sys
from actors.doctor import __main__
os.setgroups([])
os.setuid({NOBODY})
sys.exit(__main__.run())
"""

MAY_DIFFER = {
    "clock", "filesystem", "fsync", "hardware", "systemd", "processes", "memory", "shared memory", "encoders",
    "round trip",
}  # fmt: skip
"""What is a warning on some machines on which the tests run, and right there."""


class Line(NamedTuple):
    state: str
    message: str
    remedy: str | None


class Told(NamedTuple):
    """What a doctor said."""

    status: int
    lines: dict[str, list[Line]]

    def one(self, check: str) -> Line:
        """The only line of a check."""
        (line,) = self.lines[check]
        return line

    def states(self, state: str) -> set[str]:
        """The checks that have a line of that state."""
        return {check for check, lines in self.lines.items() if any(line.state == state for line in lines)}


class Doctor:
    """Asks about the daemon of one data folder and one bus."""

    def __init__(self, data: Path, bus: str, **options: object) -> None:
        self.words = ["--data", str(data), "--bus", bus]
        for name, value in options.items():
            self.words += [f"--{name.replace('_', '-')}", str(value)]

    def ask(self, *, program: Sequence[str] = (RUSHES, "doctor"), before: Sequence[str] = ()) -> Told:
        run = subprocess.run(
            [*before, *program, *self.words, "--json"],
            capture_output=True, text=True, check=False, timeout=60, env=clean_environment(),
        )  # fmt: skip
        assert run.stderr == ""
        return told(run.returncode, run.stdout)


def told(status: int, out: str) -> Told:
    document = json.loads(out)
    lines: dict[str, list[Line]] = {}
    for found in document["findings"]:
        assert found.keys() == {"check", "state", "message", "remedy"}
        lines.setdefault(found["check"], []).append(Line(found["state"], found["message"], found["remedy"]))
    answer = Told(status, lines)
    assert document["ok"] is (status == DONE)
    assert bool(answer.states("fail")) is (status != DONE)
    return answer


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter, unlike pytest's own, and short enough for a bus."""
    found = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


def of(daemon: Daemon, **options: object) -> Doctor:
    return Doctor(daemon.data, daemon.bus, **options)


# ---------------------------------------------------------------- without a daemon


def test_a_machine_in_order_has_no_failures_and_nothing_is_made_there(folder: Path) -> None:
    answer = Doctor(folder / "data", f"ipc://{folder}/bus").ask()
    assert answer.status == DONE
    assert answer.states("warn") - MAY_DIFFER == {"daemon"}
    daemon = answer.one("daemon")
    assert (daemon.message, daemon.remedy) == (
        f"none answers at ipc://{folder}/bus",
        "start it: rushes serve, or systemctl start rushes",
    )
    assert "half a second" in answer.one("encode").message
    assert "does not exist yet" in answer.one("data").message
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_there_is_tried_and_left_as_it_was(folder: Path) -> None:
    data = folder / "data"
    data.mkdir(mode=0o700)
    answer = Doctor(data, f"ipc://{folder}/bus").ask()
    for check in ("data", "room", "locks", "store", "leftovers"):
        assert answer.one(check).state == "ok", check
    assert answer.one("fsync").message.startswith("takes ")
    assert "mode 0700" in answer.one("data").message
    assert list(data.iterdir()) == []
    data.chmod(0o777)
    assert answer.states("fail") == set()
    assert Doctor(data, f"ipc://{folder}/bus").ask().one("data").remedy == f"chmod go-w {data}"


def test_settings_that_cannot_be_are_told_of_and_a_wrong_word_is_wrong_usage(folder: Path) -> None:
    shell = Shell(f"ipc://{folder}/bus", folder, {"RUSHES_SLOTS": "many"})
    ran = shell.run("doctor")
    assert ran.status == REFUSED
    assert ran.out.startswith("FAIL  settings       setting slots (from RUSHES_SLOTS)")
    assert ran.out.endswith("1 failed, 0 to look at, 0 ok.\n")
    ran = shell.run("doctor", "--slots", "many")
    assert (ran.status, ran.out) == (WRONG_USAGE, "")
    assert "Try `rushes doctor --help`." in ran.err


def test_a_configuration_that_the_unit_reads_and_this_shell_does_not_is_a_warning(folder: Path) -> None:
    file = folder / "rushes.toml"
    file.touch()
    doctor = Doctor(folder / "data", f"ipc://{folder}/bus")
    program = (sys.executable, "-c", WHERE_A_UNIT_IS, str(file))
    of_shell, of_file = doctor.ask(program=program).lines["settings"]
    assert (of_shell.state, of_file.state, of_file.remedy) == ("ok", "warn", f"is that what you mean? --config {file}")
    doctor.words += ["--config", str(file)]
    assert doctor.ask(program=program).one("settings").state == "ok"


def test_what_a_path_holds_does_nothing_to_a_terminal(folder: Path) -> None:
    data = folder / "data\x1b[2J\udcff\u202e"
    ran = Shell(f"ipc://{folder}/bus", folder).run("doctor", "--data", str(data))
    assert "data\\u001b[2J\\udcff\\u202e" in ran.out
    assert "\x1b" not in ran.out


def test_whoever_closes_the_pipe_hears_no_complaint(folder: Path) -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    run = subprocess.run(
        [RUSHES, "doctor", "--data", str(folder / "data"), "--bus", f"ipc://{folder}/bus"],
        stdout=ours, stderr=subprocess.PIPE, check=False, env=clean_environment(),
    )  # fmt: skip
    os.close(ours)
    assert (run.returncode, run.stderr) == (PIPE_CLOSED, b"")


def test_a_person_at_a_terminal_reads_lines_that_fit(folder: Path) -> None:
    words = ("doctor", "--data", folder / "data", "--ffmpeg", script(folder, "exit 1"))  # no line has a long path
    with Shell(f"ipc://{folder}/bus", folder).terminal(*words) as terminal:
        assert terminal.ended() == REFUSED
        lines = terminal.text.splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("warn  daemon         none answers at") for line in lines)
    assert "\x1b[31mFAIL" in terminal.shown
    assert any(line.startswith(f"{'':21}→ no job can run") for line in lines), "what to do stands below what is wrong"


# ---------------------------------------------------------------- FFmpeg


def script(folder: Path, *lines: str) -> Path:
    path = folder / "ffmpeg"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def test_an_ffmpeg_that_is_not_there_or_is_none_fails(folder: Path) -> None:
    bus = f"ipc://{folder}/bus"
    missing = Doctor(folder / "data", bus, ffmpeg=folder / "none").ask()
    assert missing.states("fail") == {"ffmpeg"}
    assert f"{folder}/none is no program that can be run" in missing.one("ffmpeg").message
    other = Doctor(folder / "data", bus, ffmpeg="/bin/true").ask()
    assert "is no FFmpeg" in other.one("ffmpeg").message


def test_an_ffmpeg_that_cannot_encode_fails_with_what_it_said(folder: Path, ffmpeg: Path) -> None:
    lines = [f'case $* in *-version*|*-encoders*) exec "{ffmpeg}" "$@" ;; esac', "echo 'no licence' >&2", "exit 3"]
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", ffmpeg=script(folder, *lines)).ask()
    assert answer.one("ffmpeg").state == "ok"
    assert answer.states("fail") == {"encode"}
    assert "ended with 3 and said: no licence" in answer.one("encode").message


def test_an_ffmpeg_without_the_usual_encoders_is_a_warning_and_tried_with_its_own(folder: Path, ffmpeg: Path) -> None:
    lines = [f'case $* in *-encoders*) exit 0 ;; esac; exec "{ffmpeg}" "$@"']
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", ffmpeg=script(folder, *lines)).ask()
    assert answer.status == DONE
    assert "libx264 (H.264)" in answer.one("encoders").message
    assert "with mpeg4" in answer.one("encode").message


def test_formats_and_limits_of_the_configuration_are_tried(folder: Path) -> None:
    config = folder / "rushes.toml"
    config.write_text(
        '[formats.mine]\nargs = ["-c:v", "no-such-encoder"]\nextension = ".mp4"\n'
        '[formats.good]\nargs = ["-c:v", "mpeg4"]\nextension = ".mp4"\n'
        '[children]\nnice = 5\n[children.limits]\ncpu_seconds = 1000\naddress_space = "100 MB"\n'
    )
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", config=config).ask()
    assert answer.states("fail") == {"encode", "formats"}, "no FFmpeg runs in so little memory"
    config.write_text(config.read_text().replace('address_space = "100 MB"\n', ""))
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", config=config).ask()
    assert answer.states("fail") == {"formats"}
    assert answer.one("formats").message.startswith("format mine cannot be used: ")
    config.write_text(config.read_text().replace("no-such-encoder", "mpeg4"))
    assert Doctor(folder / "data", f"ipc://{folder}/bus", config=config).ask().one("formats").message == "mine good"


def test_an_ffmpeg_that_hangs_is_given_up_on_and_ended(folder: Path, ffmpeg: Path) -> None:
    pid = folder / "pid"
    lines = [f'case $* in *-version*|*-encoders*) exec "{ffmpeg}" "$@" ;; esac', f"echo $$ >{pid}", "exec sleep 1000"]
    program = script(folder, *lines)
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", ffmpeg=program).ask(
        program=(sys.executable, "-c", IMPATIENT)
    )
    assert [line.state for line in answer.lines["ffmpeg"]] == ["ok", "fail"]
    assert "did not end within 8 s" in answer.lines["ffmpeg"][1].message
    eventually(lambda: process(int(pid.read_text())) is None, "it is gone")


# ---------------------------------------------------------------- disks and permissions


def test_a_disk_that_does_not_answer_fails_its_checks_and_holds_up_no_other() -> None:
    with dead_disk() as disk:
        answer = Doctor(disk / "data", "ipc:///tmp/nobody-is-there").ask(program=(sys.executable, "-c", IMPATIENT))
        assert answer.states("fail") == {"data"}
        assert "does not answer within 3 s" in answer.one("data").message
        for check in ("encode", "clock", "kernel"):
            assert answer.one(check).state in ("ok", "warn"), check


def test_a_folder_that_the_daemons_user_may_not_write_fails_even_for_root(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
    data.chmod(0o500)
    answer = Doctor(data, f"ipc://{folder}/bus").ask()
    assert answer.states("fail") == {"write"} if os.geteuid() else answer.states("fail") >= {"write"}
    assert f"{data} cannot be written: Permission denied" in answer.one("write").message
    if os.geteuid() == 0:
        assert "looking as nobody" in answer.one("user").message


def test_a_folder_that_cannot_be_made_fails(folder: Path) -> None:
    (folder / "file").touch()
    answer = Doctor(folder / "file/data", f"ipc://{folder}/bus").ask()
    assert "data" in answer.states("fail")
    (folder / "link").symlink_to(folder / "nowhere")
    answer = Doctor(folder / "link", f"ipc://{folder}/bus").ask()
    assert "a link to what is not there" in answer.one("data").message


def test_a_full_disk_fails_and_one_that_is_low_is_a_warning(folder: Path) -> None:
    with small_disk(16 * MIB) as disk:
        doctor = Doctor(disk.path, f"ipc://{folder}/bus")
        low = doctor.ask()
        assert low.one("room").state == "warn"
        assert "below min_free (100 MB)" in low.one("room").message
        assert low.one("filesystem").state == "warn"
        disk.fill()
        full = doctor.ask()
        assert full.states("fail") == {"room", "write"}
        assert "No space left on device" in full.one("write").message
        disk.make_room()
        assert Doctor(disk.path, f"ipc://{folder}/bus", min_free="1MB").ask().one("room").state == "ok"


def test_low_limits_fail_with_what_the_slots_need(folder: Path) -> None:
    doctor = Doctor(folder / "data", f"ipc://{folder}/bus", slots=20)
    low = doctor.ask(before=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"))
    assert low.states("fail") == {"descriptors"}
    assert "may have 200 open files; 20 slots need 224" in low.one("descriptors").message
    tight = doctor.ask(before=("sh", "-c", 'ulimit -n 340; exec "$@"', "sh"))
    assert tight.one("descriptors").state == "warn"
    assert "leaves 31 for clients" in tight.one("descriptors").message


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
    doctor = of(served)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "made by a newer Rushes" in doctor.ask().one("store").message
    store.write_bytes(sound)
    flip(store, 100, 200)
    damaged = doctor.ask()
    assert damaged.states("fail") == {"store"}
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
    data = folder / "data"
    assert "ipc:///absolute/folder" in Doctor(data, "nonsense").ask().one("bus").message
    assert Doctor(data, "tcp://192.0.2.1:7780").ask().one("bus").state == "fail"
    (folder / "open").mkdir()
    (folder / "open").chmod(0o777)
    assert "can be written by everybody" in Doctor(data, f"ipc://{folder}/open").ask().one("bus").message
    if os.geteuid() == 0:
        (folder / "other").mkdir()
        os.chown(folder / "other", NOBODY, NOBODY)
        other = Doctor(data, f"ipc://{folder}/other").ask().one("bus")
        assert (other.state, other.remedy) == ("fail", f"chown root {folder}/other, or name another with --bus")


def test_an_ffmpeg_that_a_killed_daemon_left_is_named_until_a_daemon_has_it_again(daemon: Daemon) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "left.mp4"))
    child = daemon.child(job_id)
    daemon.kill9()
    (log,) = (daemon.data / "work" / job_id).glob("*/stderr")
    with subprocess.Popen(["sh", "-c", f"exec sleep 100 3<{log}"]) as reader:  # as one who looks at the log
        answer = of(daemon).ask()
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
    for one in working_in(daemon.data):
        os.kill(one.pid, 9)
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

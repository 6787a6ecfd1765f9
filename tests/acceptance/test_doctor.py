"""`rushes doctor` on machines: what is wrong stands in one line, with what to do, and nothing is touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import clean_environment
from tests.support.disks import MIB, dead_disk, small_disk
from tests.support.doctor import MAY_DIFFER, NO_FFMPEG, NOBODY, Doctor
from tests.support.processes import eventually, process
from tests.support.shell import DONE, PIPE_CLOSED, REFUSED, RUSHES, WRONG_USAGE, Shell

IMPATIENT = """\
import sys
from actors.doctor import __main__, bounded
bounded.SECONDS, __main__.FOLDER_SECONDS = 8.0, 3.0
sys.exit(__main__.run())
"""
"""A doctor who gives up on a check sooner: all but the one that hangs are done by then, on a busy machine, too."""

WITH_TRIALS_OF = """\
import sys
from actors.doctor import __main__
from actors.ffmpeg import binary, trial
binary.CHECK_SECONDS = trial.SECONDS = float(sys.argv.pop(1))
sys.exit(__main__.run())
"""

WHERE_A_UNIT_IS = """\
import sys
from pathlib import Path
from actors.doctor import __main__
__main__.USUAL_CONFIG = Path(sys.argv.pop(1))
sys.exit(__main__.run())
"""

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
    hangs = Doctor(folder / "data", bus, ffmpeg=script(folder, "exec sleep 1000")).ask(
        program=(sys.executable, "-c", WITH_TRIALS_OF, "0.5")
    )
    assert hangs.one("ffmpeg").message == f"{folder}/ffmpeg -version did not end within 0.5 s; run it by hand"


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
    assert answer.states("fail") == {"children", "formats"}, "no FFmpeg runs in so little memory"
    config.write_text(config.read_text().replace('address_space = "100 MB"\n', ""))
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", config=config).ask()
    assert answer.states("fail") == {"formats"}
    assert answer.one("formats").message.startswith("format mine cannot be used: ")
    config.write_text(config.read_text().replace("no-such-encoder", "mpeg4"))
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", config=config).ask()
    assert answer.one("formats").message == "full_16_9 short_9_16 clip_1_1 thumbnail mine good"


def test_the_trial_of_formats_touches_nothing_that_others_keep_in_the_folder_for_temporary_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = folder / "temporary" / "format-of-mine"
    kept.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(kept.parent))
    assert Doctor(folder / "data", f"ipc://{folder}/bus").ask().one("formats").state == "ok"
    assert list(kept.parent.iterdir()) == [kept]


def test_an_ffmpeg_that_hangs_is_given_up_on_and_ended(folder: Path, ffmpeg: Path) -> None:
    pid = folder / "pid"
    lines = [f'case $* in *-version*|*-encoders*) exec "{ffmpeg}" "$@" ;; esac', f"echo $$ >{pid}", "exec sleep 1000"]
    program = script(folder, *lines)
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", ffmpeg=program).ask(
        program=(sys.executable, "-c", WITH_TRIALS_OF, "2")
    )
    assert answer.states("fail") == {"encode"}
    assert answer.one("encode").message.endswith("with libx264: it did not end within 2.0 s")
    assert answer.one("encode").remedy == "run it by hand, or name another with --ffmpeg"
    eventually(lambda: process(int(pid.read_text())) is None, "it is gone")


def test_a_check_that_hangs_is_given_up_on_and_ended(
    folder: Path, ffmpeg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))  # what is killed leaves a folder there
    pid = folder / "pid"
    lines = [f"case $* in *format-*) echo $$ >{pid}; exec sleep 1000 ;; esac", f'exec "{ffmpeg}" "$@"']
    answer = Doctor(folder / "data", f"ipc://{folder}/bus", ffmpeg=script(folder, *lines)).ask(
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
    answer = Doctor(folder / "file/data", f"ipc://{folder}/bus", ffmpeg=NO_FFMPEG).ask()
    assert "data" in answer.states("fail")
    (folder / "link").symlink_to(folder / "nowhere")
    answer = Doctor(folder / "link", f"ipc://{folder}/bus", ffmpeg=NO_FFMPEG).ask()
    assert "a link to what is not there" in answer.one("data").message


def test_a_full_disk_fails_and_one_that_is_low_is_a_warning(folder: Path) -> None:
    with small_disk(16 * MIB) as disk:
        doctor = Doctor(disk.path, f"ipc://{folder}/bus", ffmpeg=NO_FFMPEG)
        low = doctor.ask()
        assert low.one("room").state == "warn"
        assert "below min_free (100 MB)" in low.one("room").message
        assert low.one("filesystem").state == "warn"
        disk.fill()
        full = doctor.ask()
        assert full.states("fail") == {"ffmpeg", "room", "write"}
        assert "No space left on device" in full.one("write").message
        unmade = Doctor(disk.path / "data", f"ipc://{folder}/bus", ffmpeg=NO_FFMPEG).ask()
        assert unmade.states("fail") == {"ffmpeg", "room"}
        assert "does not exist yet" in unmade.one("data").message
        disk.make_room()
        doctor = Doctor(disk.path, f"ipc://{folder}/bus", min_free="1MB", ffmpeg=NO_FFMPEG)
        assert doctor.ask().one("room").state == "ok"


def test_low_limits_fail_with_what_the_slots_need(folder: Path) -> None:
    doctor = Doctor(folder / "data", f"ipc://{folder}/bus", slots=20, ffmpeg=NO_FFMPEG)
    low = doctor.ask(before=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"))
    assert low.states("fail") == {"ffmpeg", "descriptors"}
    assert "may have 200 open files; 20 slots need 224" in low.one("descriptors").message
    tight = doctor.ask(before=("sh", "-c", 'ulimit -n 510; exec "$@"', "sh"))
    assert tight.one("descriptors").state == "warn"
    assert "leaves 31 for clients" in tight.one("descriptors").message

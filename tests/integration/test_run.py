"""One run of the real FFmpeg: a whole output is proved and published, anything less is told as what it is."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.ffmpeg.binary import FFmpeg, find
from actors.ffmpeg.child import end_by_force
from actors.ffmpeg.output_file import file_identity
from actors.ffmpeg.progress import ProgressFile
from actors.ffmpeg.run import Run, RunFailed, Verdict
from actors.mail import Facts
from bus import messages as m
from tests.support.media import Clips
from tests.support.processes import eventually
from tests.support.wire import PATIENCE

FAST = ("-c:v", "libx264", "-preset", "ultrafast")
CLIP_SECONDS = 2

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def program(ffmpeg: Path) -> FFmpeg:
    return find(str(ffmpeg))


@pytest.fixture(scope="module")
def make(ffmpeg: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a source with FFmpeg, once for the module."""
    folder = tmp_path_factory.mktemp("sources")

    def made(name: str, *args: str) -> Path:
        path = folder / name
        if not path.exists():
            subprocess.run([ffmpeg, "-v", "error", "-nostdin", *args, path], check=True, cwd=folder)
        return path

    return made


class Runs:
    """Makes runs whose files are in one folder."""

    def __init__(self, program: FFmpeg, folder: Path) -> None:
        self.program = program
        self.out = folder / "out"
        self.out.mkdir()
        self._work = folder / "work"
        self._runs: list[Run] = []

    def make(self, source: m.Input, name: str, *args: str, overwrite: bool = False) -> Run:
        spec = m.JobSpec(inputs=(source,), outputs=(m.Output(str(self.out / name), args),), overwrite=overwrite)
        run = Run(self.program, self._work, "job", len(self._runs) + 1, spec, 0)
        self._runs.append(run)
        return run

    def close(self) -> None:
        for run in self._runs:
            run.end_probe()
            if run.workspace.record.exists():
                end_by_force(run.workspace)  # of a test that failed


@pytest.fixture
def runs(program: FFmpeg, tmp_path: Path) -> Iterator[Runs]:
    found = Runs(program, tmp_path)
    yield found
    found.close()


def source(path: Path | str, *args: str) -> m.Input:
    return m.Input(str(path), args)


def await_end(pidfd: int) -> None:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(PATIENCE * 1000), "FFmpeg does not end"


def verdict(run: Run) -> Verdict:
    """Start FFmpeg and wait for its end; what came of it."""
    child = run.start()
    await_end(child.pidfd)
    child.reap()
    found = run.verdict(run.exit_status())
    child.close()
    return found


def facts(run: Run) -> Facts:
    """Start FFmpeg, wait for its end and that of its probe; the proof."""
    found = verdict(run)
    assert found is Verdict.DONE, run.explain(run.exit_status())
    probe = run.start_probe()
    assert probe is not None
    pidfd = os.pidfd_open(probe.pid)
    await_end(pidfd)
    os.close(pidfd)
    run.end_probe()
    return run.prove()


def failure(run: Run) -> m.ErrorView:
    with pytest.raises(RunFailed) as failed:
        facts(run)
    return failed.value.error


# ---------------------------------------------------------------- whole


def test_an_output_is_proved_measured_and_published_whole(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", *FAST)
    found = facts(run)
    assert (found.width, found.height, found.fps) == (320, 180, 25.0)
    assert found.duration == pytest.approx(CLIP_SECONDS, abs=0.1)
    assert list(runs.out.iterdir()) == [run.partial]
    run.publish(found)
    assert list(runs.out.iterdir()) == [run.target]
    assert file_identity(run.target.stat()) == found.file
    assert clips.decodes(run.target)


LONG_GROUP = ("-f", "lavfi", "-i", "testsrc=size=64x36:rate=25:duration=6", *FAST, "-g", "125", "-keyint_min", "125")
SHORT_SOUND = ("-f", "lavfi", "-i", "testsrc=size=64x36:rate=25:duration=4", "-f", "lavfi", "-i", "sine=duration=1")
HALF_SILENT = ("-f", "lavfi", "-i", "anoisesrc=duration=8", "-af", "volume=volume=0:enable='lt(t,4)'")

WHOLE: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "faster frames of the input": (("a.mp4", *LONG_GROUP), ("-r", "50"), ("o.mp4", *FAST)),
    "the shorter sound alone": (("b.mp4", *SHORT_SOUND, *FAST), (), ("o.wav",)),
    "a copy from a later key frame": (("a.mp4", *LONG_GROUP), (), ("o.mp4", "-ss", "1", "-c", "copy")),
    "a copy from an earlier key frame": (("a.mp4", *LONG_GROUP), ("-ss", "1"), ("o.mp4", "-c", "copy")),
    "a guessed length of the input": (("c.aac", *HALF_SILENT, "-c:a", "aac"), (), ("o.wav",)),
    "a guessed length of the output": (("d.wav", *HALF_SILENT), (), ("o.aac", "-c:a", "aac")),
    "a frame every ten seconds": (("a.mp4", *LONG_GROUP), (), ("o.mp4", *FAST, "-vf", "fps=1/10")),
    "no index": (("a.mp4", *LONG_GROUP), (), ("o.h264", *FAST)),
    "fragments": (("a.mp4", *LONG_GROUP), (), ("o.mp4", *FAST, "-movflags", "frag_keyframe+empty_moov")),
    "an index at the front": (("a.mp4", *LONG_GROUP), (), ("o.mp4", "-c", "copy", "-movflags", "+faststart")),
    "its own time stamps": (("a.mp4", *LONG_GROUP), ("-ss", "5.2", "-copyts"), ("o.mkv", *FAST)),
    "a picture": (("a.mp4", *LONG_GROUP), (), ("o.png", "-frames:v", "1")),
}
"""Sources, arguments of the input, and output with its arguments: each makes a file that is as it should be."""


@pytest.mark.parametrize("case", WHOLE)
def test_a_whole_output_is_not_called_cut(runs: Runs, make: Make, case: str) -> None:
    made, input_args, (name, *args) = WHOLE[case]
    found = facts(runs.make(source(make(*made), *input_args), name, *args))
    assert found.size > 0


def test_a_subtitle_that_lasts_longer_than_the_picture_is_no_reason_to_wait_for_more(
    runs: Runs, make: Make, tmp_path: Path
) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:01,000 --> 00:00:20,000\nhello\n\n")
    film = make("e.mkv", "-f", "lavfi", "-i", "testsrc=size=64x36:duration=1", "-i", str(words), *FAST, "-c:s", "srt")
    assert facts(runs.make(source(film), "o.mp4", *FAST)).duration == pytest.approx(1, abs=0.1)


def test_progress_rises_to_the_end_and_never_above_one(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", *FAST)
    child = run.start()
    seen = []
    while not child.has_ended():
        seen.append(run.read_progress().progress or 0.0)
    child.reap()
    child.close()
    seen.append(run.read_progress().progress or 0.0)
    assert seen == sorted(seen)
    assert 0.9 < seen[-1] < 1


def test_the_time_in_which_it_was_held_makes_it_no_slower(runs: Runs, clips: Clips) -> None:
    """FFmpeg counts that time: a pause of an hour would leave a speed of nothing, and an end that never comes."""
    run = runs.make(source(clips.clip(60), "-re"), "o.mp4", *FAST)
    own = ProgressFile(run.workspace.progress)
    child = run.start()
    eventually(lambda: (run.read_progress().block.out_time or 0) > 0.5, "it has a speed")
    worked = child.age
    run.brake.apply(child)
    eventually(lambda: run.brake.seconds > 3 * max(worked, 0.5), "it was held for most of its life")
    run.brake.release(child)

    def has_counted_it() -> bool:
        block = own.read()
        return (block.out_time or 0.0) / (block.speed or 1.0) > run.brake.seconds

    eventually(has_counted_it, "FFmpeg has counted that time")
    report, its_own = run.read_progress(), own.read().speed
    assert its_own is not None
    assert report.block.speed is not None
    assert report.block.speed > 1.2 * its_own
    assert report.block.out_time is not None
    assert report.eta == pytest.approx((60 - report.block.out_time) / report.block.speed, abs=0.2)
    child.signal(signal.SIGKILL)
    await_end(child.pidfd)
    child.reap()
    child.close()
    assert run.read_progress().block.speed == pytest.approx(report.block.speed, rel=0.5)


# ---------------------------------------------------------------- not whole


def test_an_input_cut_short_is_told_of_although_ffmpeg_leaves_0(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.cut_short()), "o.mp4", *FAST)
    assert failure(run).code == "truncated"
    assert run.exit_status() == 0
    run.clean_up()
    assert list(runs.out.iterdir()) == []


def test_a_stop_that_was_obeyed_is_told_from_an_end(runs: Runs) -> None:
    run = runs.make(source("testsrc=size=64x36:rate=10", "-re", "-f", "lavfi"), "o.mp4", "-c:v", "mpeg4")
    child = run.start()
    child.ask()
    await_end(child.pidfd)
    child.reap()
    assert run.exit_status() == 0
    assert run.verdict(run.exit_status()) is Verdict.OBEYED
    child.close()


def test_what_does_not_open_is_not_proved(runs: Runs) -> None:
    run = runs.make(source("testsrc=size=64x36:duration=1", "-f", "lavfi"), "o.yuv")
    assert failure(run).code == "verify_failed"


def test_an_output_without_a_frame_is_not_proved(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS), "-ss", "60"), "o.mp4", *FAST)
    assert failure(run).code == "verify_failed"


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "input_corrupt"), (os.urandom(5000), "input_corrupt"), (None, "input_missing")]
)
def test_an_input_that_cannot_be_read_is_told_of(runs: Runs, tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "in.mp4"
    if content is None:
        assert failure(runs.make(source(path), "o.mp4")).code == code
        return
    path.write_bytes(content)
    run = runs.make(source(path), "o.mp4")
    assert verdict(run) is Verdict.FAILED
    assert run.explain(run.exit_status()).code == code


def test_words_that_no_command_line_can_hold_are_told_of(runs: Runs) -> None:
    """A submit refuses them; a job that an earlier version took is not to end its Render."""
    assert failure(runs.make(source("testsrc\0", "-f", "lavfi"), "o.mp4")).code == "bad_args"


def test_a_probe_that_hangs_is_ended(runs: Runs, tmp_path: Path) -> None:
    hanging = tmp_path / "ffmpeg"
    hanging.write_text("#!/bin/sh\nsleep 1000 & wait\n")
    hanging.chmod(0o755)
    runs.program = FFmpeg(str(hanging), "9.0")
    run = runs.make(source("x", "-f", "lavfi"), "o.mp4")
    run.workspace.prepare(run.partial)
    run.workspace.stderr.touch()
    run.partial.write_bytes(b"x")
    probe = run.start_probe()
    assert probe is not None
    run.end_probe()
    with pytest.raises(ProcessLookupError):
        os.kill(probe.pid, 0)


# ---------------------------------------------------------------- publishing


def test_a_file_that_has_appeared_meanwhile_is_not_written_over(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy")
    found = facts(run)
    run.target.write_bytes(b"somebody else's")
    with pytest.raises(RunFailed) as failed:
        run.publish(found)
    assert failed.value.error.code == "output_exists"
    assert run.target.read_bytes() == b"somebody else's"
    again = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy")
    assert failure(again).code == "output_exists"


def test_a_file_is_replaced_where_that_is_asked_for(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy", overwrite=True)
    run.target.write_bytes(b"an older one")
    found = facts(run)
    run.publish(found)
    assert run.target.stat().st_size == found.size


def test_what_was_proved_is_known_after_a_crash_and_may_be_published_again(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy")
    assert run.proof() is None
    found = facts(run)
    assert run.proof() == found, "before the rename"
    for _ in range(2):
        run.publish(found)
        assert run.proof() == found, "after it"
    run.target.unlink()
    assert run.proof() is None, "the file is gone"


def test_a_partial_that_was_changed_after_its_proof_is_not_published(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy")
    facts(run)
    run.partial.write_bytes(b"half a film")
    assert run.proof() is None


def test_a_folder_that_has_gone_meanwhile_is_told_of(runs: Runs, clips: Clips) -> None:
    run = runs.make(source(clips.clip(CLIP_SECONDS)), "o.mp4", "-c", "copy")
    runs.out.rmdir()
    assert failure(run).code == "output_folder_missing"


# ---------------------------------------------------------------- what it costs


def test_a_progress_file_that_grows_takes_no_more_disk(runs: Runs) -> None:
    run = runs.make(source("x", "-f", "lavfi"), "o.mp4")
    run.workspace.prepare(run.partial)
    run.workspace.stderr.touch()
    for number in range(1, 9):
        block = f"frame={number}\nout_time_us={number}000000\nprogress=continue\n"
        with run.workspace.progress.open("a") as file:
            file.write(block * 20_000)
        assert run.read_progress().block.frame == number
        assert run.workspace.progress.stat().st_blocks * 512 <= 2 * 1024 * 1024

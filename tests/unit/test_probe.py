"""Is the output whole? Its header, in FFmpeg's words, held against what was asked for."""

from pathlib import Path

import pytest

from actors.ffmpeg.command import Length
from actors.ffmpeg.probe import Findings, Unproved, examine, tolerance
from actors.ffmpeg.progress import Block
from bus.messages import ErrorView

TEXTS = Path(__file__).parent / "ffmpeg_texts"

SIZE = 1000
PROOF, NO_PROOF = True, False


def said(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text()


def proved(
    path: str,
    probe: str,
    run: str,
    *,
    out_time: float | None = 2.0,
    expected: float | None = None,
    proof: bool = PROOF,
    size: int = SIZE,
    accepted: bool = False,
) -> Findings:
    """The proof of a file that FFmpeg reported to have 1000 bytes and so many seconds."""
    last = Block(out_time=out_time, frame=None, fps=None, size=SIZE, speed=None, is_end=True)
    length = None if expected is None else Length(expected, proof)
    return examine(path, size, probe, run, last, length, damage_is_accepted=accepted)


def unproved(path: str, probe: str, run: str, **more: object) -> ErrorView:
    with pytest.raises(Unproved) as refusal:
        proved(path, probe, run, **more)  # type: ignore[arg-type] # as `proved` has them
    return refusal.value.error


def silent(text: str) -> str:
    """What FFmpeg would say if there were no sound."""
    return "".join(line for line in text.splitlines(keepends=True) if ": Audio:" not in line)


# ---------------------------------------------------------------- whole


def test_a_whole_film_is_proved_with_its_measures() -> None:
    found = proved("/o.mp4", said("probe_film"), said("run_film"), expected=2.0)
    assert found == Findings(2.0, 320, 180, 29.97)


def test_sound_is_proved_without_a_size() -> None:
    assert proved("/o.m4a", said("probe_sound"), said("run_sound"), expected=3.0) == Findings(3.0, None, None, None)


def test_a_picture_needs_no_length() -> None:
    found = proved("/o.PNG", said("probe_picture"), silent(said("run_film")), out_time=0.04, expected=10.0)
    assert found == Findings(None, 320, 180, 25.0)


def test_a_film_may_be_shorter_by_a_little_and_longer_by_anything() -> None:
    for expected in (2.0 + tolerance(2.0), 0.5):
        proved("/o.mp4", said("probe_film"), said("run_film"), expected=expected)


@pytest.mark.parametrize(("seconds", "allowed"), [(1.0, 0.5), (25.0, 0.5), (100.0, 2.0)])
def test_the_tolerance_grows_with_the_length(seconds: float, allowed: float) -> None:
    assert tolerance(seconds) == pytest.approx(allowed)


def test_a_length_that_ffmpeg_only_guesses_from_the_file_disproves_nothing() -> None:
    """`Estimating duration from bitrate, this may be inaccurate`: 16.91 for what was written as 20 seconds."""
    proved("/o.mp3", said("probe_estimated"), said("run_sound"), out_time=20.0, expected=20.0)


def test_a_file_that_is_longer_than_ffmpeg_reported_is_no_worse() -> None:
    proved("/o.mp4", said("probe_film"), said("run_film"), size=SIZE + 100)


# ---------------------------------------------------------------- not whole


def test_a_file_that_does_not_open_is_not_proved() -> None:
    found = unproved("/o.mp4", said("probe_nothing"), said("run_film"))
    assert found.code == "verify_failed"
    assert "Invalid data found" in found.message


def test_a_probe_that_says_nothing_proves_nothing() -> None:
    assert unproved("/o.mp4", "", said("run_film")).code == "verify_failed"


def test_a_file_that_lacks_a_stream_is_not_proved() -> None:
    found = unproved("/o.mp4", silent(said("probe_film")), said("run_film"))
    assert (found.code, "1 audio" in found.message) == ("verify_failed", True)


def test_a_file_that_has_lost_its_end_is_not_proved() -> None:
    found = unproved("/o.mp4", said("probe_film"), said("run_film"), size=SIZE - 1)
    assert (found.code, "999 bytes" in found.message) == ("verify_failed", True)


def test_a_film_made_of_a_cut_input_is_truncated_and_the_reason_is_ffmpegs() -> None:
    """FFmpeg leaves 0 for it."""
    found = unproved("/o.mkv", said("probe_cut_short"), said("run_cut_short"), expected=2.0, proof=NO_PROOF)
    assert found.code == "truncated"
    assert "0.89 s long where 2.00 s were expected" in found.message
    assert "corrupt" in found.message.lower()


def test_a_film_made_of_a_damaged_input_is_not_proved_unless_that_is_accepted() -> None:
    """It is as long as it should be, and lacks a part in the middle."""
    found = unproved("/o.mkv", said("probe_cut_short"), said("run_cut_short"))
    assert found.code == "input_corrupt"
    assert "-err_detect ignore_err" in found.message
    proved("/o.mkv", said("probe_cut_short"), said("run_cut_short"), accepted=True)


def test_a_short_film_is_truncated_where_the_length_is_a_proof() -> None:
    run = said("run_film")
    assert unproved("/o.mp4", said("probe_film"), run, expected=9.0).code == "truncated"
    assert proved("/o.mp4", said("probe_film"), run, expected=9.0, proof=NO_PROOF).duration == 2.0


def test_a_film_that_takes_only_some_of_its_inputs_streams_may_be_shorter() -> None:
    """The input's duration is that of its longest stream, which may be the one that is left out."""
    source, header, made = said("run_film").partition("\nOutput #0")
    proved("/o.mp4", said("probe_film"), source + header + silent(made), expected=9.0)


def test_a_length_that_the_file_does_not_tell_is_the_one_that_ffmpeg_wrote() -> None:
    probe, run = said("probe_picture"), silent(said("run_film"))
    proved("/o.h264", probe, run, out_time=2.0, expected=2.0)
    assert unproved("/o.h264", probe, run, out_time=1.0, expected=2.0).code == "truncated"


def test_metadata_that_reads_like_a_banner_proves_nothing() -> None:
    probe = said("probe_film").split("  Duration: 00:00:02.00")[0]
    assert "9999x9999" in probe
    assert unproved("/o.mp4", probe, said("run_film")).code == "verify_failed"

"""Is the output whole? Its header, in FFmpeg's words, held against what was asked for."""

from pathlib import Path

import pytest

from actors.ffmpeg.command import Length
from actors.ffmpeg.probe import Findings, Unproved, examine, tolerance
from bus.messages import ErrorView

TEXTS = Path(__file__).parent / "ffmpeg_texts"


def said(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text()


def unproved(path: str, probe: str, run: str, out_time: float | None, expected: Length | None) -> ErrorView:
    with pytest.raises(Unproved) as refusal:
        examine(path, probe, run, out_time, expected)
    return refusal.value.error


def test_a_whole_film_is_proved_with_its_measures() -> None:
    found = examine("/o.mp4", said("probe_film"), said("run_film"), 2.0, Length(2.0, proof=True))
    assert found == Findings(2.0, 320, 180, 29.97)


def test_sound_is_proved_without_a_size() -> None:
    found = examine("/o.mp3", said("probe_sound"), said("run_sound"), 3.0, None)
    assert found == Findings(3.0, None, None, None)


def test_a_file_that_does_not_open_is_not_proved() -> None:
    found = unproved("/o.mp4", said("probe_nothing"), said("run_film"), 2.0, None)
    assert found.code == "verify_failed"
    assert "Invalid data found" in found.message


def test_a_probe_that_says_nothing_proves_nothing() -> None:
    assert unproved("/o.mp4", "", said("run_film"), 2.0, None).code == "verify_failed"


def test_a_file_that_lacks_a_stream_is_not_proved() -> None:
    probe = "".join(line for line in said("probe_film").splitlines(keepends=True) if ": Audio:" not in line)
    found = unproved("/o.mp4", probe, said("run_film"), 2.0, None)
    assert (found.code, "1 Audio" in found.message) == ("verify_failed", True)


def test_a_film_of_which_ffmpeg_wrote_more_than_is_in_the_file_is_not_proved() -> None:
    assert unproved("/o.mp4", said("probe_film"), said("run_film"), 3.0, None).code == "verify_failed"


def test_a_film_made_of_a_cut_input_is_truncated_and_the_reason_is_ffmpegs() -> None:
    """FFmpeg leaves 0 for it."""
    found = unproved("/o.mkv", said("probe_cut_short"), said("run_cut_short"), 0.88, Length(2.0, proof=False))
    assert found.code == "truncated"
    assert "0.89 s long where 2.00 s were expected" in found.message
    assert "corrupt" in found.message.lower()


def test_a_short_film_is_truncated_where_the_length_is_a_proof() -> None:
    run = said("run_film")
    assert unproved("/o.mp4", said("probe_film"), run, 2.0, Length(9.0, proof=True)).code == "truncated"
    assert examine("/o.mp4", said("probe_film"), run, 2.0, Length(9.0, proof=False)).duration == 2.0


def test_a_film_may_be_shorter_by_a_little_and_longer_by_anything() -> None:
    for expected in (2.0 + tolerance(2.0), 0.5):
        examine("/o.mp4", said("probe_film"), said("run_film"), 2.0, Length(expected, proof=True))


def test_a_picture_needs_no_length() -> None:
    found = examine("/o.PNG", said("probe_picture"), "", 0.04, Length(10.0, proof=True))
    assert found == Findings(None, 320, 180, 25.0)


def test_a_length_that_the_file_does_not_tell_is_the_one_that_ffmpeg_wrote() -> None:
    examine("/o.h264", said("probe_picture"), "", 2.0, Length(2.0, proof=True))
    assert unproved("/o.h264", said("probe_picture"), "", 1.0, Length(2.0, proof=True)).code == "truncated"


def test_a_length_that_ffmpeg_only_guesses_from_the_file_disproves_nothing() -> None:
    """`Estimating duration from bitrate, this may be inaccurate`: 16.91 for what was written as 20 seconds."""
    examine("/o.mp3", said("probe_estimated"), "", 20.0, Length(20.0, proof=True))


def test_metadata_that_reads_like_a_banner_proves_nothing() -> None:
    probe = said("probe_film").split("  Duration: 00:00:02.00")[0]
    assert "9999x9999" in probe
    assert unproved("/o.mp4", probe, "", None, None).code == "verify_failed"


@pytest.mark.parametrize(("seconds", "allowed"), [(1.0, 0.5), (25.0, 0.5), (100.0, 2.0)])
def test_the_tolerance_grows_with_the_length(seconds: float, allowed: float) -> None:
    assert tolerance(seconds) == pytest.approx(allowed)

"""What FFmpeg says before it begins, read from its own words (FFmpeg 9.0, in ffmpeg_texts/)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg import banner
from actors.ffmpeg.banner import Section, Stream

TEXTS = Path(__file__).parent / "ffmpeg_texts"

FILM = [Stream("Video", 320, 180, 29.97), Stream("Audio", None, None, None)]


def said(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text()


def test_an_input_is_read_with_its_duration_and_streams() -> None:
    assert banner.sections(said("probe_film")) == [Section(is_output=False, duration=2.0, streams=FILM)]


def test_metadata_that_reads_like_a_banner_is_not_taken_for_one() -> None:
    """The film's title and comment hold durations, a stream and an output that are none."""
    text = said("probe_film")
    assert "Duration: 99:00:00.00" in text
    assert "Duration: 88:00:00.00" in text
    assert "9999x9999" in text
    assert banner.output_section(text) is None
    assert banner.sections(text)[0].duration == 2.0


def test_a_run_tells_of_its_input_and_its_output() -> None:
    source, made = banner.sections(said("run_film"))
    assert (source.is_output, source.streams, source.duration) == (False, FILM, 2.0)
    assert (made.is_output, made.streams, made.duration) == (True, FILM, None)
    assert banner.output_section(said("run_film")) == made


def test_the_durations_of_inputs_are_told_once_ffmpeg_has_got_past_them() -> None:
    assert banner.input_durations(said("run_film")) == [2.0]
    assert banner.input_durations(said("run_lavfi")) == [None, None]
    assert banner.input_durations(said("probe_two_inputs")) is None


@pytest.mark.parametrize("length", range(0, len(said("run_film")), 97))
def test_a_banner_that_is_still_being_written_says_no_wrong_duration(length: int) -> None:
    assert banner.input_durations(said("run_film")[:length]) in (None, [2.0])


def test_several_inputs_are_told_in_their_order() -> None:
    film, tone = banner.sections(said("probe_two_inputs"))
    assert (film.duration, tone.duration) == (2.0, 3.0)
    assert film.streams == FILM


def test_a_duration_that_ffmpeg_only_guesses_is_not_known() -> None:
    """It says `Estimating duration from bitrate, this may be inaccurate`: 16.91 for ten seconds."""
    assert banner.input_durations(said("run_estimated")) == [None]


def test_a_picture_has_a_size_and_no_duration() -> None:
    [found] = banner.sections(said("probe_picture"))
    assert found == Section(is_output=False, duration=None, streams=[Stream("Video", 320, 180, 25.0)])


def test_sound_has_no_size_and_its_cover_has() -> None:
    [found] = banner.sections(said("probe_sound_with_cover"))
    assert found.streams == [Stream("Audio", None, None, None), Stream("Video", 320, 180, None)]
    assert found.kinds() == {"Audio": 1, "Video": 1}


def test_a_rate_in_thousands_is_read() -> None:
    [found] = banner.sections(said("probe_thousand_fps"))
    assert found.video == Stream("Video", 64, 36, 1000.0)


@pytest.mark.parametrize("text", ["", "\n", said("probe_nothing")])
def test_where_ffmpeg_describes_nothing_nothing_is_found(text: str) -> None:
    assert banner.sections(text) == []
    assert banner.output_section(text) is None


def test_a_run_that_describes_no_input_has_no_durations() -> None:
    assert banner.input_durations("Press [q] to stop, [?] for help\n") == []


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    banner.sections(text)
    banner.input_durations(text)

"""FFmpeg's progress file, however it grows, and the meter that people see: never wrong, never back, never above 1."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg.progress import READ_BYTES, Block, Meter, ProgressFile, parse

FIRST = """\
frame=25
fps=0.00
stream_0_0_q=29.0
bitrate=N/A
total_size=48
out_time_us=1000000
out_time_ms=1000000
out_time=00:00:01.000000
dup_frames=0
drop_frames=0
speed=1.98x
progress=continue
"""
BEGINNING = """\
frame=0
fps=0.00
stream_0_0_q=0.0
bitrate=N/A
total_size=N/A
out_time_us=N/A
out_time_ms=N/A
out_time=N/A
dup_frames=0
drop_frames=0
speed=N/A
progress=continue
"""
LAST = FIRST.replace("frame=25", "frame=50").replace("us=1000000", "us=2000000").replace("continue", "end")
"""As FFmpeg 9.0 writes them."""

seconds = st.floats(0, 1e6)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "progress"


def append(file: Path, text: str) -> None:
    with file.open("a") as open_file:
        open_file.write(text)


def test_a_block_is_read_with_its_units() -> None:
    assert parse(FIRST.splitlines()) == Block(1.0, 25, 0.0, 48, 1.98, is_end=False)
    assert parse(LAST.splitlines()).is_end


def test_what_ffmpeg_does_not_know_yet_is_unknown() -> None:
    assert parse(BEGINNING.splitlines()) == Block(None, 0, 0.0, None, None, is_end=False)


def test_time_before_the_beginning_is_the_beginning() -> None:
    assert parse(["out_time_us=-23220"]).out_time == 0.0


@given(st.lists(st.text()))
def test_any_lines_are_a_block(lines: list[str]) -> None:
    assert isinstance(parse(lines), Block)


def test_a_file_that_does_not_exist_yet_says_nothing(file: Path) -> None:
    assert ProgressFile(file).read() == Block()


def test_the_newest_whole_block_is_read(file: Path) -> None:
    reader = ProgressFile(file)
    append(file, BEGINNING + FIRST + LAST[:30])
    assert reader.read() == parse(FIRST.splitlines())
    assert reader.read() == parse(FIRST.splitlines())
    append(file, LAST[30:])
    assert reader.read() == parse(LAST.splitlines())


@given(st.lists(st.integers(1, 400), max_size=20))
def test_wherever_a_block_is_cut_it_is_read_once_it_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    file = tmp_path_factory.getbasetemp() / "cut-progress"
    file.write_bytes(b"")
    reader = ProgressFile(file)
    written, whole = 0, BEGINNING + FIRST + LAST
    blocks = [Block(), *(parse(block.splitlines()) for block in (BEGINNING, FIRST, LAST))]
    for cut in [*cuts, len(whole)]:
        append(file, whole[written : written + cut])
        written += cut
        ended = whole[:written].count("progress=continue\n") + whole[:written].count("progress=end\n")
        assert reader.read() == blocks[ended]


def test_a_reader_that_comes_later_begins_near_the_end_and_is_not_put_off_by_half_a_block(file: Path) -> None:
    file.write_text(FIRST * 1000 + LAST)
    assert file.stat().st_size > 2 * READ_BYTES
    assert ProgressFile(file).read() == parse(LAST.splitlines())


# ---------------------------------------------------------------- the meter


def test_without_a_whole_there_is_no_fraction() -> None:
    meter = Meter()
    assert meter.progress(5.0) is None
    assert meter.eta(5.0, 1.0) is None


def test_the_meter_counts_from_the_start_to_almost_all() -> None:
    meter = Meter()
    meter.total = 10.0
    assert [meter.progress(time) for time in (None, 2.5, 10.0, 11.0)] == [0.0, 0.25, 0.999, 0.999]


def test_the_seconds_that_are_left_follow_from_the_speed() -> None:
    meter = Meter()
    meter.total = 10.0
    assert meter.eta(4.0, 2.0) == 3.0
    assert meter.eta(12.0, 2.0) == 0.0
    assert [meter.eta(None, 1.0), meter.eta(4.0, None), meter.eta(4.0, 0.0)] == [None, None, None]


@given(st.lists(st.none() | seconds, min_size=1), st.floats(0.01, 1e6))
def test_the_meter_never_goes_back_and_never_above_one(times: list[float | None], total: float) -> None:
    meter = Meter()
    meter.total = total
    found = [meter.progress(time) for time in times]
    known = [value for value in found if value is not None]
    assert known == sorted(known)
    assert len(known) == len(found)
    assert all(0 <= value < 1 for value in known)


@given(seconds, st.none() | st.floats(0, 1000), st.floats(0.01, 1e6))
def test_the_seconds_that_are_left_are_never_negative(time: float, speed: float | None, total: float) -> None:
    meter = Meter()
    meter.total = total
    left = meter.eta(time, speed)
    assert left is None or left >= 0

"""The command that makes one output, and the length that output should have: known, or honestly not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg.binary import FFmpeg
from actors.ffmpeg.command import STATS_PERIOD, Length, argv, expected_length, partial_path, probe_argv, seconds
from bus import messages as m

Args = list[str]

FFMPEG = FFmpeg("/ffmpeg", "n9.0.2-17-g2a571b6068-20260930")

WHOLE = 10.0
"""Seconds of every input here."""


def spec(output: Args, *inputs: Args) -> m.JobSpec:
    return m.JobSpec(
        inputs=tuple(m.Input(f"/in{number}.mp4", tuple(args)) for number, args in enumerate(inputs or ([],))),
        outputs=(m.Output("/out.mp4", tuple(output)),),
    )


def length(output: Args, *inputs: Args) -> Length | None:
    """What is expected of an output where every input has the same length."""
    job = spec(output, *inputs)
    return expected_length(job, 0, [WHOLE] * len(job.inputs))


# ---------------------------------------------------------------- argv


def test_the_commands_words_stand_where_ffmpeg_wants_them() -> None:
    job = m.JobSpec(
        inputs=(m.Input("/a b.mp4", ("-ss", "1")), m.Input("testsrc", ("-f", "lavfi"))),
        outputs=(m.Output("/first.mp4"), m.Output("/out.mp4", ("-c:v", "libx264"))),
    )
    assert argv(FFMPEG, job, 1, "/.rushes-x-1.mp4", "/run/progress") == [
        "/ffmpeg", "-hide_banner", "-nostats", "-y", "-progress", "file:/run/progress", "-stats_period", STATS_PERIOD,
        "-ss", "1", "-i", "/a b.mp4", "-f", "lavfi", "-i", "testsrc",
        "-c:v", "libx264", "/.rushes-x-1.mp4",
    ]  # fmt: skip


def test_an_output_with_inputs_of_its_own_reads_those_alone() -> None:
    job = m.JobSpec(inputs=(m.Input("/shared"),), outputs=(m.Output("/out", inputs=(m.Input("/own"),)),))
    command = argv(FFMPEG, job, 0, "/partial", "/progress")
    assert "/own" in command
    assert "/shared" not in command


@pytest.mark.parametrize(
    ("version", "knows"),
    [("4.3.1-debian", False), ("4.4.2-0ubuntu0.22.04.1", True), ("n9.0.2", True), ("N-117-g2a571b6", True)],
)
def test_an_ffmpeg_that_is_too_old_for_an_option_is_not_given_it(version: str, *, knows: bool) -> None:
    assert ("-stats_period" in argv(FFmpeg("/ffmpeg", version), spec([]), 0, "/partial", "/progress")) is knows


@pytest.mark.parametrize("picture", ["/%d.png", "/100%.JPG"])
def test_a_percent_sign_in_a_pictures_name_is_one(picture: str) -> None:
    job = m.JobSpec(inputs=(m.Input(picture),), outputs=(m.Output(picture),))
    command = argv(FFMPEG, job, 0, picture, "/progress")
    assert command[command.index("-i") - 4 : command.index("-i")] == ["-f", "image2", "-pattern_type", "none"]
    assert command[-3:] == ["-update", "1", picture]


def test_a_numbered_sequence_that_is_asked_for_is_one() -> None:
    job = m.JobSpec(inputs=(m.Input("/%d.png", ("-f", "image2")),), outputs=(m.Output("/out.mp4"),))
    assert "-pattern_type" not in argv(FFMPEG, job, 0, "/partial.mp4", "/progress")


@pytest.mark.parametrize(
    ("path", "partial"),
    [
        ("/films/out.mp4", "/films/.rushes-abc-0-1.mp4"),
        ("/films/two.parts.mkv", "/films/.rushes-abc-0-1.mkv"),
        ("/films/-dash.mov", "/films/.rushes-abc-0-1.mov"),
        ("/films/line\nbreak.mov", "/films/.rushes-abc-0-1.mov"),
        ("/films/none", "/films/.rushes-abc-0-1"),
    ],
)
def test_a_partial_stands_beside_its_output_and_keeps_the_suffix(path: str, partial: str) -> None:
    assert partial_path(path, "abc", 0, 1) == partial


def test_the_probe_only_reads() -> None:
    assert probe_argv("ffmpeg", "/x.mp4") == ["ffmpeg", "-hide_banner", "-nostdin", "-i", "/x.mp4"]


# ---------------------------------------------------------------- durations as FFmpeg writes them


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0), ("55", 55.0), ("0.2", 0.2), (".5", 0.5), ("12:03", 723.0), ("12:03:45", 43425.0),
        ("1:02:03.5", 3723.5), ("200ms", 0.2), ("200000us", 0.2), ("23.189s", 23.189), ("90:00", 5400.0),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_ffmpeg_reads_it(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", [None, "", "x", "1:2:3:4", "-1", "1s2", "ms", "1e3", "12:", ":5", "1 2"])
def test_what_is_no_duration_is_unknown(text: str | None) -> None:
    assert seconds(text) is None


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_every_clock_time_is_its_seconds(hours: int, minutes: int, rest: int, millis: int) -> None:
    clock = f"{hours}:{minutes:02}:{rest:02}.{millis:03}"
    assert seconds(clock) == pytest.approx(hours * 3600 + minutes * 60 + rest + millis / 1000)


@given(st.text())
def test_any_text_is_a_duration_or_unknown(text: str) -> None:
    found = seconds(text)
    assert found is None or found >= 0


# ---------------------------------------------------------------- how long an output should be


@pytest.mark.parametrize(
    ("output", "source", "expected"),
    [
        ([], [], 10.0),
        (["-t", "4"], [], 4.0),
        (["-t", "40"], [], 10.0),
        (["-ss", "3"], [], 7.0),
        (["-ss", "30"], [], 0.0),
        (["-ss", "3", "-to", "5"], [], 2.0),
        (["-ss", "3", "-t", "1", "-to", "9"], [], 1.0),
        ([], ["-ss", "3"], 7.0),
        ([], ["-ss", "3", "-to", "5"], 2.0),
        ([], ["-t", "00:00:04.5"], 4.5),
        (["-t", "2"], ["-ss", "9"], 1.0),
        (["-c:v", "libx264", "-crf", "23", "-preset", "slow"], [], 10.0),
        (["-r", "50"], [], 10.0),
        (["-vf", "scale=640:-2,fps=25,format=yuv420p"], [], 10.0),
        (["-filter:v", "hflip", "-af", "volume=0.5,loudnorm"], [], 10.0),
    ],
)
def test_the_length_is_that_of_the_input_but_for_what_is_cut(output: Args, source: Args, expected: float) -> None:
    assert length(output, source) == Length(expected, proof=True)


@pytest.mark.parametrize(
    ("output", "source"),
    [
        (["-vf", "setpts=0.5*PTS"], []),
        (["-filter:v", "scale=2:2,trim=1:2"], []),
        (["-af", "atempo=2"], []),
        (["-vf", "fps=25,select='gt(scene,0.4)'"], []),
        (["-filter_complex", "[0:v]null"], []),
        (["-frames:v", "1"], []),
        (["-vframes", "1"], []),
        (["-fs", "1M"], []),
        (["-shortest"], []),
        ([], ["-stream_loop", "3"]),
        ([], ["-loop", "1"]),
        ([], ["-itsscale", "2"]),
        ([], ["-sseof", "-3"]),
        ([], ["-r", "50"]),
        (["-t", "unknown"], []),
        (["-ss", "-1"], []),
        (["-to", "x"], []),
    ],
)
def test_where_the_length_cannot_be_said_it_is_not_said(output: Args, source: Args) -> None:
    assert length(output, source) is None


@pytest.mark.parametrize("output", [["-map", "0:a"], ["-vn"], ["-an"], ["-sn"], ["-dn"], ["-ss", "1", "-c", "copy"]])
def test_where_an_output_may_rightly_be_shorter_its_length_is_no_proof(output: Args) -> None:
    found = length(output)
    assert found is None or found.proof is False


def test_inputs_that_agree_have_a_length_and_others_have_none() -> None:
    job = spec([], [], [])
    assert expected_length(job, 0, [10.0, 10.02]) == Length(10.02, proof=True)
    assert expected_length(job, 0, [10.0, 7.0]) is None
    assert expected_length(job, 0, [10.0, None]) is None
    assert expected_length(job, 0, [10.0]) is None


def test_a_limit_on_what_has_no_known_end_is_a_length_but_no_proof() -> None:
    assert expected_length(spec(["-t", "4"]), 0, [None]) == Length(4.0, proof=False)
    assert expected_length(spec([], ["-t", "4"]), 0, [None]) == Length(4.0, proof=False)
    assert expected_length(spec([]), 0, [None]) is None


def graph_length(graph: str, output: Args, *args: str) -> Length | None:
    """What is expected of an output whose one input is a filter graph, of which FFmpeg knows no length."""
    source = m.Input(graph, (*args, "-f", "lavfi"))
    return expected_length(m.JobSpec(inputs=(source,), outputs=(m.Output("/out.mp4", tuple(output)),)), 0, [None])


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        ("testsrc=duration=10", 10.0),
        ("testsrc=duration=5:size=64x36:rate=10", 5.0),
        ("color=red:size=8x8:d=1500ms", 1.5),
        ("sine=frequency=440:duration=2.5", 2.5),
        ("testsrc2@bars=s=64x36:d=3,format=yuv420p, hflip", 3.0),
        ("testsrc=d=3:d=4", 4.0),
    ],
)
def test_a_source_that_says_how_long_it_is_is_believed_but_proves_nothing(graph: str, expected: float) -> None:
    assert graph_length(graph, []) == Length(expected, proof=False)
    assert graph_length(graph, ["-t", "1"]) == Length(1.0, proof=False)
    assert graph_length(graph, [], "-t", "1") == Length(1.0, proof=False)
    assert graph_length(graph, ["-frames:v", "1"]) is None


@pytest.mark.parametrize(
    "graph",
    [
        "testsrc",
        "testsrc=size=64x36",
        "sine=d=0",
        "testsrc=d=x",
        "testsrc=duration=4[out0];sine=duration=9[out1]",
        "testsrc=d=4,setpts=2*PTS",
        "testsrc=d=4,trim=0:1",
        "testsrc=duration=00\\:00\\:05",
        "aevalsrc='sin(t)':d=4",
        "",
    ],
)
def test_of_any_other_graph_no_length_is_guessed(graph: str) -> None:
    assert graph_length(graph, []) is None


def test_what_looks_like_a_graph_but_is_a_file_says_nothing_of_its_length() -> None:
    job = m.JobSpec(inputs=(m.Input("/testsrc=d=4"),), outputs=(m.Output("/out.mp4"),))
    assert expected_length(job, 0, [None]) is None


times = st.none() | st.floats(0, 30).map(lambda value: f"{value:.3f}")


@given(times, times, times, times)
def test_no_cut_makes_an_output_longer_than_its_input(
    start: str | None, limit: str | None, end: str | None, skipped: str | None
) -> None:
    cuts = [("-ss", start), ("-t", limit), ("-to", end)]
    output = [word for option, value in cuts if value is not None for word in (option, value)]
    found = length(output, [] if skipped is None else ["-ss", skipped])
    assert found is not None
    assert 0 <= found.seconds <= WHOLE

"""A job's own arguments, split as FFmpeg splits them: whoever would take the tool out of our hands is named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg import arguments
from actors.ffmpeg.arguments import Option, Refused, check, options, value_of

ASKED = [line.split() for line in (Path(__file__).parent / "ffmpeg_texts/options.txt").read_text().splitlines()]
"""Each option in the help of FFmpeg 9.0, and whether it took a value: asked of the program, one by one."""

PRINTS = {
    "h", "?", "help", "-help", "license", "L", "version", "buildconf", "formats", "muxers", "demuxers", "devices",
    "codecs", "decoders", "encoders", "bsfs", "protocols", "filters", "pix_fmts", "layouts", "sample_fmts",
    "dispositions", "colors", "hwaccels", "sources", "sinks",
}  # fmt: skip
"""Those of them that print something and end."""

words = st.sampled_from(["-y", "-an", "-noan", "-c:v", "-crf", "23", "copy", "-", "--", "-vf", "x=y", "-f", "", "-i"])


def names(args: list[str]) -> list[tuple[str, str | None]]:
    return [(option.name, option.value) for option in options(args)]


def refused(args: list[str], *, of_output: bool = True) -> Refused:
    with pytest.raises(Refused) as refusal:
        check(args, of_output=of_output)
    return refusal.value


# ---------------------------------------------------------------- splitting


def test_an_option_takes_the_word_after_it_and_a_switch_does_not() -> None:
    assert names(["-c:v", "libx264", "-an", "-crf", "23"]) == [("c", "libx264"), ("an", None), ("crf", "23")]


def test_a_value_may_look_like_an_option() -> None:
    assert names(["-metadata", "-y", "-ss", "-1"]) == [("metadata", "-y"), ("ss", "-1")]


def test_a_value_may_be_empty() -> None:
    assert names(["-metadata", ""]) == [("metadata", "")]


@pytest.mark.parametrize("word", ["-filter:v", "-/filter:v", "-filter:v:0", "-filter:a:m:language:eng", "-/filter"])
def test_a_stream_specifier_and_a_value_from_a_file_do_not_hide_the_option(word: str) -> None:
    assert names([word, "null"]) == [("filter", "null")]


def test_a_switch_takes_no_value_nor_does_its_opposite() -> None:
    for switch in arguments.SWITCHES:
        assert names([f"-{switch}", f"-no{switch}"]) == [(switch, None), (f"no{switch}", None)]


def test_every_option_is_split_as_ffmpeg_splits_it() -> None:
    expected = {name: kind for kind, name in ASKED if name not in PRINTS}
    found = {name: "value" if names([f"-{name}", "-an"])[0][1] else "switch" for name in expected}
    assert {name: found[name] for name in found if found[name] != expected[name]} == {}


@given(st.lists(words | st.text(max_size=5)))
def test_every_word_is_an_option_or_its_value_in_order_up_to_the_one_that_is_refused(args: list[str]) -> None:
    rebuilt: list[str] = []
    end = len(args)
    try:
        for option in options(args):
            assert args[option.place].startswith("-")
            rebuilt += [args[option.place]] + ([option.value] if option.value is not None else [])
    except Refused as refusal:
        end = refusal.place
    assert rebuilt == args[:end]


@given(st.lists(words | st.text(max_size=5)), st.booleans())
def test_whatever_is_written_is_taken_or_refused_at_a_word(args: list[str], of_output: bool) -> None:
    place = 0
    try:
        check(args, of_output=of_output)
    except Refused as refusal:
        place = refusal.place
    assert 0 <= place < max(1, len(args))


# ---------------------------------------------------------------- what a job may not say


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["-nostdin"], "how Rushes stops it"),
        (["-stdin"], "how Rushes stops it"),
        (["-y"], "`overwrite`"),
        (["-n"], "`overwrite`"),
        (["-progress", "http://host"], "progress itself"),
        (["-stats_period", "9"], "progress itself"),
        (["-report"], "rushes log"),
        (["-loglevel", "quiet"], "level stays"),
        (["-v", "quiet"], "level stays"),
        (["-v:0", "quiet"], "level stays"),
        (["-/v", "file"], "level stays"),
        (["-i", "/other.mp4"], "`inputs`"),
        (["-h"], ""),
        (["-h", "full"], "render nothing"),
        (["-version"], "render nothing"),
        (["-encoders"], "render nothing"),
        (["-license"], "render nothing"),
        (["--help", "full"], ""),
    ],
)
@pytest.mark.parametrize("of_output", [True, False])
def test_what_takes_the_tool_out_of_our_hands_is_refused_with_the_reason(
    args: list[str], reason: str, *, of_output: bool
) -> None:
    refusal = refused(["-c", "copy", *args], of_output=of_output)
    assert refusal.place == 2
    assert reason in str(refusal)


@pytest.mark.parametrize("word", ["/second.mp4", "-", "second.mp4", "", "--"])
def test_a_word_that_would_be_a_further_output_file_is_refused(word: str) -> None:
    refusal = refused(["-an", word])
    assert refusal.place == 1
    assert "output file" in str(refusal)


def test_a_word_after_a_switch_is_a_file_however_it_looks() -> None:
    assert refused(["-shortest", "23"]).place == 1


def test_an_option_without_its_value_is_refused() -> None:
    refusal = refused(["-an", "-crf"])
    assert (refusal.place, str(refusal)) == (1, "'-crf' needs a value after it")


def test_an_option_of_rushes_that_came_behind_the_dashes_is_told_where_it_belongs() -> None:
    for words_after in (["--wait"], ["--priority", "5"]):
        refusal = refused(["-an", *words_after])
        said = f"{words_after[0]!r} is no option of FFmpeg's; one of `rushes submit` stands before the --"
        assert (refusal.place, str(refusal)) == (1, said)
    assert names(["-metadata", "--wait"]) == [("metadata", "--wait")]


@pytest.mark.parametrize("muxer", sorted(arguments.SEVERAL_FILES))
def test_an_output_that_is_several_files_is_refused(muxer: str) -> None:
    assert refused(["-f", muxer]).place == 0
    check(["-f", muxer], of_output=False)  # reading one is no harm


def test_what_a_usual_job_says_is_taken() -> None:
    args = ["-map", "0:v:0", "-c:v", "libx264", "-preset", "slow", "-vf", "scale=640:-2,fps=25", "-an", "-movflags",
            "+faststart", "-f", "mp4", "-metadata", "title=-y", "-noautorotate"]  # fmt: skip
    assert len(check(args, of_output=True)) == 9


# ---------------------------------------------------------------- what an option is set to


def test_the_last_of_several_is_the_one_that_counts() -> None:
    found = check(["-t", "1", "-to", "3", "-t", "2"], of_output=True)
    assert value_of(found, "t") == "2"
    assert value_of(found, "ss") is None
    assert value_of([Option("vf", "a", 0), Option("filter", "b", 1)], "vf", "filter") == "b"

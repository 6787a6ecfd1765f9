"""Why a run failed: from FFmpeg's own last words (FFmpeg 9.0, each from a real failure) to a code and a remedy."""

import errno
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg import failure
from actors.ffmpeg.child import exit_status
from actors.ffmpeg.failure import BY_CODE, CAUSES, explain
from actors.ffmpeg.workspace import Workspace
from bus.messages import ErrorView

Judge = Callable[[int, str], ErrorView]

TEXTS = Path(__file__).parent / "ffmpeg_texts"

NO_ROOM = """\
[out#0/mpegts @ 0x555c8ea4acc0] Error writing trailer: No space left on device
[out#0/mpegts @ 0x555c8ea4acc0] Error closing file: No space left on device
frame=   50 fps=0.0 q=-1.0 Lsize=      66KiB time=00:00:02.00 bitrate= 271.5kbits/s speed=1.44e+03x
Conversion failed!
"""
NO_MOOV = """\
[in#0 @ 0x55d76e73f800] Format mov,mp4,m4a,3gp,3g2,mj2 detected only with low score of 1, misdetection possible!
[in#0 @ 0x55d76e73f800] moov atom not found
[in#0 @ 0x55d76e73f4c0] Error opening input: Invalid data found when processing input
Error opening input file empty.mp4.
Error opening input files: Invalid data found when processing input
"""
REFUSED = """\
[tcp @ 0x5644fc499dc0] Connection to tcp://127.0.0.1:1 failed: Connection refused
[in#0 @ 0x5644fc4964c0] Error opening input: Connection refused
Error opening input file http://127.0.0.1:1/x.mp4.
Error opening input files: Connection refused
"""
NO_MEMORY = """\
x264 [error]: malloc of size 85657917 failed
[vost#0:0/libx264 @ 0x55cddc2057c0] [enc:libx264 @ 0x55cddc2060c0] Error while opening encoder - maybe incorrect \
parameters such as bit_rate, rate, width or height.
[vf#0:0 @ 0x55cddc209d80] Task finished with error code: -542398533 (Generic error in an external library)
Conversion failed!
"""

SEEN: dict[str, list[tuple[int, str]]] = {
    "killed": [(255, "Exiting normally, received signal 15.\n")],
    "disk_full": [(228, NO_ROOM), (1, "Error writing trailer of /out.mp4: Disk quota exceeded\n")],
    "no_memory": [(187, NO_MEMORY), (244, "[in#0 @ 0x1] Error opening input: Cannot allocate memory\n")],
    "permission": [
        (243, "[in#0 @ 0x556da1f71d00] Error opening input: Permission denied\nError opening input file secret.mp4.\n"),
        (226, "[out#0/mp4 @ 0x1] Error opening output /ro/out.mp4: Read-only file system\n"),
    ],
    "unknown_encoder": [
        (8, "[vost#0:0 @ 0x563bc8fcd940] Unknown encoder 'nosuch'\nError opening output files: Encoder not found\n")
    ],
    "input_missing": [
        (254, "[in#0 @ 0x55e57b6f84c0] Error opening input: No such file or directory\n"),
        (1, "/ffcap/nothere.mp4: No such file or directory\n"),
        (256 - errno.ECONNREFUSED, REFUSED),
    ],
    "input_corrupt": [(183, NO_MOOV)],
    "bad_args": [
        (8, "Unrecognized option 'nosuchopt'.\nError splitting the argument list: Option not found\n"),
        (8, "[AVFilterGraph @ 0x55e4e39da9c0] No such filter: 'nosuchfilter'\nError opening output file out.mp4.\n"),
        (8, "[fc#-1 @ 0x55c3c6408400] Error applying option 'nosuch' to filter 'scale': Option not found\n"),
        (
            1,
            "[NULL @ 0x5] Requested output format 'nosuch' is not a suitable output format\n/o.mp4: Invalid argument\n",
        ),
        (234, "[AVFormatContext @ 0x55561c170880] Requested output format 'nosuch' is not known.\n"),
        (234, "[AVFormatContext @ 0x55a4dfff7880] Unable to choose an output format for 'out.zzz'; use a standard\n"),
        (234, "[image2 @ 0x558d] Cannot write more than one file with the same name. Are you missing the -update\n"),
        (1, "[image2 @ 0x558d] Could not get frame filename number 2 from pattern 'o.png' (either set update or use\n"),
        (8, "[in#0 @ 0x5608fa74f4c0] Error opening input: Protocol not found\nError opening input file a://b.\n"),
        (234, "Stream map '' matches no streams.\nTo ignore this, add a trailing '?' to the map.\n"),
        (234, "[Parsed_scale_0 @ 0x562f8614c9c0] [Eval @ 0x7ffd90ebd760] Undefined constant or missing '(' in 'foo'\n"),
        (234, "[out#0/webm @ 0x563008204cc0] Could not write header (incorrect codec parameters ?)\n"),
        (234, "[in#0 @ 0x5608fa74f4c0] Unknown input format: 'nosuch'\nError opening input files: Invalid argument\n"),
    ],
}
"""FFmpeg's status and the end of what it said, by the code that it earns."""


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    """From the status as the shell gave it to the shim, and FFmpeg's words, to the verdict."""
    workspace = Workspace(tmp_path_factory.mktemp("work"))

    def explained(status: int, said: str) -> ErrorView:
        workspace.record.write_text(f"exit {status}\n")
        return explain(exit_status(workspace), said)

    return explained


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [(code, status, said) for code, cases in SEEN.items() for status, said in cases],
    ids=lambda value: str(value) if "\n" not in str(value) else "",
)
def test_a_failure_has_the_code_of_its_cause(judge: Judge, code: str, status: int, said: str) -> None:
    assert judge(status, said).code == code


@given(status=st.integers(0, 255), said=st.text() | st.sampled_from([NO_MEMORY, NO_MOOV, REFUSED, NO_ROOM]))
def test_every_status_and_any_words_are_explained(judge: Judge, status: int, said: str) -> None:
    found = judge(status, said)
    assert found.message
    assert (found.retryable, found.remedy) == (BY_CODE[found.code].retryable, BY_CODE[found.code].remedy)


def test_a_status_of_ffmpegs_own_is_no_signal_whatever_a_shell_makes_of_it(judge: Judge) -> None:
    """FFmpeg leaves the low byte of its error: 187 for a library's, which is not 128 + signal 59."""
    assert judge(187, "").code == "unknown"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_one_that_somebody_else_ended_was_killed(number: signal.Signals) -> None:
    found = explain(-number, "frame=  3\n")
    assert (found.code, found.retryable) == ("killed", True)
    assert number.name in found.message


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL])
def test_one_that_ended_itself_crashed(number: signal.Signals) -> None:
    found = explain(-number, "frame=  3\n")
    assert (found.code, found.retryable) == ("crashed", True)
    assert number.name in found.message


def test_a_full_disk_wins_over_the_signal_that_its_status_looks_like() -> None:
    assert explain(-signal.SIGABRT, "av_interleaved_write_frame(): Disk quota exceeded\n").code == "disk_full"


def test_the_message_is_ffmpegs_own_line_and_the_remedy_what_to_do() -> None:
    found = explain(228, NO_ROOM)
    assert found.message == "Error writing trailer: No space left on device"
    assert found.remedy == "make room on the output's disk, then retry"


@pytest.mark.parametrize(
    ("status", "code"),
    [(228, "disk_full"), (244, "no_memory"), (243, "permission"), (226, "permission"), (254, "input_missing"),
     (183, "input_corrupt"), (234, "bad_args")],
)  # fmt: skip
def test_a_status_tells_where_the_words_do_not(judge: Judge, status: int, code: str) -> None:
    assert judge(status, "Conversion failed!\n").code == code


def test_a_file_that_grew_over_the_systems_limit_is_a_full_disk() -> None:
    assert explain(-signal.SIGXFSZ, "").code == "disk_full"


def test_every_code_stands_once_and_has_a_remedy_of_one_line() -> None:
    assert len(BY_CODE) == len(CAUSES)
    assert all(0 < len(cause.remedy) < 100 and "\n" not in cause.remedy for cause in CAUSES)


def test_what_nobody_knows_is_told_as_it_was_said() -> None:
    found = explain(69, "one\n[mp4 @ 0x55] Something unheard of\n")
    assert (found.code, found.message) == ("unknown", "FFmpeg ended with status 69: Something unheard of")
    assert explain(69, "").message == "FFmpeg ended with status 69 and said nothing"
    assert explain(None, "").message == "FFmpeg ended without a status and said nothing"


def test_a_line_without_end_is_cut() -> None:
    assert len(explain(1, "No space left on device " + "x" * 100_000).message) < 400


@pytest.mark.parametrize("code", ["bad_args", "unknown_encoder", "input_corrupt", "permission"])
def test_what_another_attempt_cannot_mend_is_not_retried(code: str) -> None:
    assert failure.error(code, "").retryable is False


def test_words_of_a_film_that_read_like_damage_are_none() -> None:
    assert not failure.INPUT_DAMAGE.search("    title           : Error while decoding, a partial file\n")


def test_each_symptom_is_seen_in_a_real_text() -> None:
    assert set(SEEN) == {cause.code for cause in CAUSES if cause.says is not None}


def test_only_a_stopped_run_says_that_it_was_stopped() -> None:
    stopped, done = ((TEXTS / f"{name}.txt").read_text() for name in ("run_stopped_by_q", "run_film"))
    assert failure.STOPPED_BY_Q.search(stopped)
    assert not failure.STOPPED_BY_Q.search(done)


def test_a_damaged_input_is_told_of_and_a_good_one_is_not() -> None:
    cut, whole = ((TEXTS / f"{name}.txt").read_text() for name in ("run_cut_short", "run_film"))
    found = failure.INPUT_DAMAGE.search(cut)
    assert found is not None
    assert found[1] in ("Packet corrupt", "corrupt input packet")
    assert not failure.INPUT_DAMAGE.search(whole)

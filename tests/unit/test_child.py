"""What /proc and the shim's files say of a child: read right whatever a program calls itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.ffmpeg.child import SHIM, exit_status
from actors.ffmpeg.processes import ProcessStat, parse_stat
from actors.ffmpeg.workspace import Workspace

REAL = (
    "4711 (ffmpeg) S 4710 4710 4710 0 -1 4194304 1234 0 0 0 12 3 0 0 20 0 5 0 987654 104857600 2048 "
    "18446744073709551615 1 1 0 0 0 0 0 4096 1098 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
)
"""A line of /proc/<pid>/stat (Linux 6.1)."""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_a_process_is_read_from_its_line() -> None:
    assert parse_stat(REAL) == ProcessStat(pid=4711, state="S", group=4710, session=4710, start=987654)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=15))
def test_a_process_may_call_itself_anything(name: str) -> None:
    assert parse_stat(REAL.replace("ffmpeg", name)) == parse_stat(REAL)


@pytest.mark.parametrize("name", [") S 1 1 1 (", "a b", "\n", "))", ""])
def test_a_name_that_reads_like_the_rest_of_the_line_is_not_taken_for_it(name: str) -> None:
    assert parse_stat(REAL.replace("ffmpeg", name)) == parse_stat(REAL)


@pytest.mark.parametrize("line", ["", "4711", "4711 (x)", "4711 (x) S 1 1", "x (x) S 1 1"])
def test_a_line_that_is_not_whole_is_told_by_an_error_that_callers_expect(line: str) -> None:
    with pytest.raises(ValueError, match=r"stat|literal"):
        parse_stat(line)


@pytest.mark.parametrize(("state", "dead"), [("Z", True), ("X", True), ("R", False), ("T", False), ("D", False)])
def test_a_zombie_is_dead_and_a_stopped_process_is_not(state: str, *, dead: bool) -> None:
    assert parse_stat(REAL.replace(" S ", f" {state} ")).is_dead is dead


@pytest.mark.parametrize(
    ("written", "status"),
    [("0\n", 0), ("3\n", 3), ("127\n", 127), ("128\n", 128), ("137\n", -9), ("143\n", -15), ("183\n", 183),
     ("228\n", 228), ("255\n", 255)],
)  # fmt: skip
def test_the_shims_note_says_how_ffmpeg_ended(workspace: Workspace, written: str, status: int) -> None:
    workspace.record.write_text(f"exit {written}")
    assert exit_status(workspace) == status


def test_an_empty_note_means_not_yet_or_that_the_shim_died_first(workspace: Workspace) -> None:
    workspace.record.touch()
    assert exit_status(workspace) is None
    assert exit_status(workspace, shim_ended_with=-9) == -9


@pytest.mark.parametrize(
    "written", ["\n" * 64, "\0" * 64, "exit 18" + "\0" * 57, "exit 18", "exi\0\0t 0\n", "exit x\n", "exit\n", ""]
)
def test_a_note_that_was_not_written_or_that_a_power_cut_took_is_none(workspace: Workspace, written: str) -> None:
    workspace.record.write_text(written + "\nchild {}\n" if written.endswith("\0") else written)
    assert exit_status(workspace) is None


def test_without_a_note_nobody_knows(workspace: Workspace) -> None:
    assert exit_status(workspace) is None


def test_what_ffmpeg_left_wins_over_how_the_shim_ended(workspace: Workspace) -> None:
    workspace.record.write_text("exit 0\n")
    assert exit_status(workspace, shim_ended_with=-9) == 0


def test_the_shim_uses_the_shells_own_builtins_alone() -> None:
    """Each program that it started would cost a millisecond a child."""
    first_words = {line.split()[0] for line in SHIM.splitlines()}
    assert first_words == {"trap", "cd", "echo", '"$@"', "status=$?", "exit"}

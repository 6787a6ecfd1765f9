"""The folder of one run: what a child says is kept, head and tail, and its middle costs no disk."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from actors.ffmpeg.workspace import (
    HEAD_BYTES,
    RECORD_BYTES,
    SLACK_BYTES,
    TAIL_BYTES,
    LogText,
    Noted,
    Workspace,
    read_log,
    read_log_from,
)
from bus.limits import MAX_LOG_BYTES

MEBIBYTE = 1024 * 1024

PARTIAL = Path("/nowhere/.rushes-job-1-3.mp4")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace.of(tmp_path, "job", 3, 1)
    found.prepare(PARTIAL)
    return found


def chatter(size: int) -> bytes:
    """That many bytes, in lines each of which tells where it stands."""
    return b"".join(f"line at {at:>22}\n".encode() for at in range(0, size, 31))[:size]


def room(path: Path) -> int:
    """The disk that a file takes."""
    return path.stat().st_blocks * 512


# ---------------------------------------------------------------- its files


def test_each_run_of_each_output_has_a_folder_of_its_own_for_the_daemon_alone(
    tmp_path: Path, workspace: Workspace
) -> None:
    assert workspace.folder == tmp_path / "job/3-1"
    assert stat.S_IMODE(workspace.folder.stat().st_mode) == 0o700
    assert stat.S_ISFIFO(workspace.stdin.stat().st_mode)
    assert (workspace.noted("child", Noted), workspace.exit_status()) == (None, None)
    assert workspace.noted_partial() == PARTIAL


def test_a_folder_that_is_there_already_is_not_used_again(workspace: Workspace) -> None:
    with pytest.raises(FileExistsError):
        workspace.prepare(PARTIAL)


def test_what_is_not_there_is_no_error_to_remove(workspace: Workspace) -> None:
    for _ in range(2):
        workspace.remove_fifo()
    assert not workspace.stdin.exists()


class Note(msgspec.Struct):
    text: str


@pytest.mark.parametrize("text", ["words", "two\nlines \0 and more", "x" * 3 * RECORD_BYTES, ""])
def test_a_note_is_there_whole_or_not_at_all(workspace: Workspace, text: str) -> None:
    """However much of it is on disk; and those before it stay."""
    workspace.note("fault", Note("before"))
    workspace.note("proof", Note(text), sync=True)
    whole = workspace.record.read_bytes()
    assert workspace.noted("proof", Note) == Note(text)
    start = whole.index(b"proof")
    for end in range(start, start + len(whole[start:].rstrip(b"\0")), 97):
        workspace.record.write_bytes(whole[:end].ljust(len(whole), b"\0"))
        assert workspace.noted("proof", Note) is None
        assert workspace.noted("fault", Note) == Note("before")
        workspace.note("proof", Note("again"))
        assert workspace.noted("proof", Note) == Note("again"), "a torn one is in nobody's way"
    assert workspace.noted_partial() == PARTIAL


def test_the_last_note_of_a_name_counts_and_the_shims_is_beside_them(workspace: Workspace) -> None:
    for number in range(200):
        workspace.note("fault", Note(str(number)))
    with workspace.record.open("r+b") as file:
        file.write(b"exit 3\n")
    workspace.note("fault", Note("last"))
    assert workspace.noted("fault", Note) == Note("last")
    assert (workspace.exit_status(), workspace.noted_partial()) == (3, PARTIAL)


def test_a_record_has_its_room_from_the_start(workspace: Workspace) -> None:
    before = workspace.record.stat()
    workspace.note("child", Noted("0a2b", 4711, 12345678))
    workspace.note("proof", Note("x" * 1000), sync=True)
    after = workspace.record.stat()
    assert (after.st_size, after.st_blocks) == (before.st_size, before.st_blocks)
    assert before.st_size == RECORD_BYTES


# ---------------------------------------------------------------- what the child says


@pytest.mark.parametrize("size", [0, 1, MAX_LOG_BYTES])
def test_a_log_of_usual_size_is_read_whole(workspace: Workspace, size: int) -> None:
    workspace.stderr.write_bytes(chatter(size))
    assert read_log(workspace.stderr) == (chatter(size).decode(), False, size)
    assert workspace.stderr_text() == chatter(size).decode()


def test_of_a_long_log_head_and_tail_are_read_and_what_is_left_out_is_said(workspace: Workspace) -> None:
    whole = chatter(2 * MEBIBYTE)
    workspace.stderr.write_bytes(whole)
    text, truncated, next_offset = read_log(workspace.stderr)
    left_out = len(whole) - MAX_LOG_BYTES
    assert (truncated, next_offset) == (True, len(whole))
    assert text == f"{whole[:HEAD_BYTES].decode()}\n[... {left_out} bytes left out ...]\n{whole[-TAIL_BYTES:].decode()}"
    assert workspace.stderr_tail() == whole[-TAIL_BYTES:].decode()
    assert "left out" not in workspace.stderr_text()


def test_the_middle_of_a_long_log_gives_its_disk_back_and_head_and_tail_stay(workspace: Workspace) -> None:
    whole = chatter(8 * MEBIBYTE)
    workspace.stderr.write_bytes(whole)
    before = read_log(workspace.stderr)
    workspace.bound()
    assert read_log(workspace.stderr) == before
    assert workspace.stderr.stat().st_size == len(whole)
    assert room(workspace.stderr) <= MAX_LOG_BYTES + 4 * os.statvfs(workspace.folder).f_bsize


def test_a_log_that_grows_is_bounded_again_and_again(workspace: Workspace) -> None:
    piece = chatter(MEBIBYTE)
    with workspace.stderr.open("ab") as file:
        for _ in range(8):
            file.write(piece)
            file.flush()
            workspace.bound()
            assert room(workspace.stderr) <= MAX_LOG_BYTES + SLACK_BYTES
    text = read_log(workspace.stderr).text
    assert text.startswith(piece[:HEAD_BYTES].decode())
    assert text.endswith(piece[-1000:].decode())


@pytest.mark.parametrize("size", [0, MAX_LOG_BYTES, MAX_LOG_BYTES + SLACK_BYTES])
def test_a_log_that_is_not_long_is_left_as_it_is(workspace: Workspace, size: int) -> None:
    workspace.stderr.write_bytes(chatter(size))
    workspace.bound()
    assert workspace.stderr.read_bytes() == chatter(size)


def test_a_log_that_is_not_there_yet_is_empty(workspace: Workspace) -> None:
    workspace.bound()
    assert workspace.stderr_tail() == ""
    with pytest.raises(FileNotFoundError):
        read_log(workspace.stderr)
    with pytest.raises(FileNotFoundError):
        read_log_from(workspace.stderr, 0)


def test_a_reader_follows_a_log_without_losing_or_repeating_a_byte(workspace: Workspace) -> None:
    pieces = [chatter(size) for size in (0, 1, 5000, 70_000, 0, 31)]
    offset, heard = 0, ""
    workspace.stderr.touch()
    for piece in pieces:
        with workspace.stderr.open("ab") as file:
            file.write(piece)
        text, truncated, offset = read_log_from(workspace.stderr, offset)
        heard += text
        assert truncated is False
    assert heard == b"".join(pieces).decode()


@pytest.mark.parametrize("read", [read_log_from, lambda path, _: read_log(path)], ids=["offset", "whole"])
def test_a_character_that_has_not_come_whole_is_left_for_the_next_look(
    workspace: Workspace, read: Callable[[Path, int], LogText]
) -> None:
    said = "Übergang €".encode()
    workspace.stderr.write_bytes(said[:-2])
    assert read(workspace.stderr, 0) == ("Übergang ", False, len(said) - 3)
    workspace.stderr.write_bytes(said)
    assert read_log_from(workspace.stderr, len(said) - 3) == ("€", False, len(said))


def test_a_reader_that_is_far_behind_is_told_so_and_gets_the_end(workspace: Workspace) -> None:
    whole = chatter(2 * MEBIBYTE)
    workspace.stderr.write_bytes(whole)
    text, truncated, next_offset = read_log_from(workspace.stderr, 100)
    assert (text, truncated, next_offset) == (whole[-TAIL_BYTES:].decode(), True, len(whole))


def test_a_reader_that_is_ahead_waits_for_more(workspace: Workspace) -> None:
    workspace.stderr.write_bytes(b"abc")
    assert read_log_from(workspace.stderr, 99) == ("", False, 3)


def test_words_that_are_no_utf_8_are_shown_as_well_as_they_can_be(workspace: Workspace) -> None:
    workspace.stderr.write_bytes(b"ok \xff\xfe ok")
    assert read_log(workspace.stderr).text == "ok �� ok"

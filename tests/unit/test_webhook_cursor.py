"""How far a hook is, over restarts, restored stores and damaged files: never further than it was."""

from pathlib import Path

import pytest

from actors.webhooks.cursor import SAVE_AFTER, Cursor, Place


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "webhooks" / "farm.json"


def moved(file: Path, now: Place, seq: int) -> Cursor:
    """A cursor that was moved there, and saved."""
    cursor = Cursor(file, now)
    cursor.move(seq)
    cursor.save()
    return cursor


def test_a_new_one_begins_with_what_comes(file: Path) -> None:
    cursor = Cursor(file, Place("a", 41))
    assert (cursor.seq, cursor.is_new) == (41, True)


def test_it_goes_on_where_it_was(file: Path) -> None:
    moved(file, Place("a", 41), 50)
    cursor = Cursor(file, Place("a", 99))
    assert (cursor.epoch, cursor.seq, cursor.is_new) == ("a", 50, False)
    assert [path.name for path in file.parent.iterdir()] == ["farm.json"]
    assert file.parent.stat().st_mode & 0o077 == 0


def test_what_was_not_saved_is_done_again(file: Path) -> None:
    moved(file, Place("a", 41), 50).move(60)
    assert Cursor(file, Place("a", 99)).seq == 50


@pytest.mark.parametrize(("last", "after"), [(45, 45), (50, 50), (99, 50), (0, 0)])
def test_in_a_restored_store_it_goes_on_with_what_that_has(file: Path, last: int, after: int) -> None:
    moved(file, Place("a", 41), 50)
    cursor = Cursor(file, Place("b", last))
    assert (cursor.epoch, cursor.seq, cursor.is_new) == ("b", after, False)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"epoch": "a"}', b'{"epoch": "a", "seq": -1}', b'{"epoch": "a", "seq": "5"}', b"\xff"],
)
def test_a_file_that_makes_no_sense_loses_nothing(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    cursor = Cursor(file, Place("a", 99))
    assert (cursor.seq, cursor.is_damaged, cursor.is_new) == (0, True, False)
    cursor.save()
    assert not Cursor(file, Place("a", 99)).is_damaged


def test_a_crash_in_the_middle_of_a_save_leaves_the_old_place(file: Path) -> None:
    moved(file, Place("a", 41), 50)
    file.with_name("farm.json.new").write_bytes(b'{"epo')
    cursor = Cursor(file, Place("a", 99))
    assert cursor.seq == 50
    cursor.move(51)
    cursor.save()
    assert Cursor(file, Place("a", 99)).seq == 51


def test_it_is_far_from_its_file_after_so_many_events(file: Path) -> None:
    now = Place("a", 0)
    assert Cursor(file, now).is_far, "nothing is on disk"
    far = []
    for seq in (0, SAVE_AFTER - 1, SAVE_AFTER):
        cursor = moved(file, now, 0)
        cursor.move(seq)
        far.append(cursor.is_far)
    assert far == [False, False, True]

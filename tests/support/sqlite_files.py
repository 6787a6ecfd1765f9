"""SQLite files as bytes, and what can go wrong with those. Format: sqlite.org/fileformat2.html."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

PAGE_BYTES = 4096
LEAF_OF_TABLE, INTERIOR_OF_TABLE = 0x0D, 0x05


def read_page(path: Path, number: int) -> bytes:
    """The page of that number, from 1, without what a log beside the file may say of it."""
    with path.open("rb") as file:
        file.seek((number - 1) * PAGE_BYTES)
        return file.read(PAGE_BYTES)


def write_page(path: Path, number: int, page: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((number - 1) * PAGE_BYTES)
        file.write(page)


def flip(path: Path, start: int, size: int) -> None:
    """Turn every bit of a piece of the file."""
    with path.open("r+b") as file:
        file.seek(start)
        piece = file.read(size)
        file.seek(start)
        file.write(bytes(byte ^ 0xFF for byte in piece))


def leaves(path: Path, table: str) -> list[int]:
    """The pages that hold a table's rows, in the order of these; for a file without a log beside it."""
    with closing(sqlite3.connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    return list(_leaves_below(path, int(root)))


def middle_leaf(path: Path, table: str) -> int:
    """The page with the rows in the middle of a table."""
    found = leaves(path, table)
    assert len(found) >= 3, f"{table} is too small to have a middle"
    return found[len(found) // 2]


def _leaves_below(path: Path, number: int) -> Iterator[int]:
    page = read_page(path, number)
    if page[0] == LEAF_OF_TABLE:
        yield number
        return
    assert page[0] == INTERIOR_OF_TABLE
    cells = int.from_bytes(page[3:5], "big")
    for at in range(12, 12 + 2 * cells, 2):
        cell = int.from_bytes(page[at : at + 2], "big")
        yield from _leaves_below(path, int.from_bytes(page[cell : cell + 4], "big"))
    yield from _leaves_below(path, int.from_bytes(page[8:12], "big"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within, somebody else writes to the file, and does not come to an end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def is_sound(path: Path) -> bool:
    """SQLite's own thorough look at the file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

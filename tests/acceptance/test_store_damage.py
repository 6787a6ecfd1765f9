"""Promise: a store that is damaged, or not to be used, is refused with what to do, and left as it is."""

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.daemon import MODULE, Child, refused_start
from tests.support.faults import FILE_NAME, Tried, tried
from tests.support.jobs import lasting, quick
from tests.support.sqlite_files import PAGE_BYTES, flip, is_sound, middle_leaf, read_page, write_page
from tests.support.wire import Map

JOBS = 120

WITHOUT_TIME = """\
import sys
from actors import daemon
from actors.jobs import database
daemon.CHECK_SECONDS, database.CHECK_STEPS = 0.0, 1
from actors.__main__ import run
sys.exit(run())
"""
"""A daemon whose look at the start is over before it has seen anything, as in a store of many gigabytes."""

UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root for whom a file's mode counts."""


class Seed(NamedTuple):
    """A sound store, closed in order, and the job in its middle."""

    file: Path
    jobs: list[str]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Seed:
    with tried(slots=1) as daemon:
        daemon.result("drain")
        asked = [daemon.wire.send("submit", job=quick(daemon.out / f"{number}.mp4")) for number in range(JOBS)]
        jobs = [daemon.wire.reply_to(command_id)["result"]["job"]["id"] for command_id in asked]
        asked = [daemon.wire.send("cancel", job_id=job_id) for job_id in jobs]
        assert all(daemon.wire.reply_to(command_id)["ok"] for command_id in asked)
        daemon.result("resume")
        assert daemon.terminate() == 0
        kept = tmp_path_factory.mktemp("seed") / FILE_NAME
        shutil.copy(daemon.store, kept)
    assert is_sound(kept)
    return Seed(kept, jobs)


# ---------------------------------------------------------------- at the start


def hurt_header(store: Path) -> None:
    flip(store, 0, 32)


def hurt_schema(store: Path) -> None:
    flip(store, 100, 200)


def hurt_page(store: Path) -> None:
    write_page(store, middle_leaf(store, "events"), bytes(PAGE_BYTES))


def hurt_unused_index(store: Path) -> None:
    """Nothing reads it before a job is to be evicted."""
    with closing(sqlite3.connect(store)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'outputs_kept'").fetchone()
    flip(store, (root - 1) * PAGE_BYTES, 8)


def cut_short(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 2 // PAGE_BYTES * PAGE_BYTES)


def emptied(store: Path) -> None:
    os.truncate(store, 0)
    (store.parent / "reserve").touch()  # what a daemon leaves that has served


def replaced_by_a_text(store: Path) -> None:
    store.write_text("this is no database, and never was one; it is a text that is longer than a header\n" * 100)


def from_the_future(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("PRAGMA journal_mode = DELETE")  # as a backup has it


def unreadable(store: Path) -> None:
    store.chmod(0)


def unwritable(store: Path) -> None:
    store.chmod(0o400)


DAMAGED, NEWER, FORBIDDEN = "put a backup in its place", "run the newer version", "may read and write"

REFUSED = [
    (hurt_header, DAMAGED),
    (hurt_schema, DAMAGED),
    (hurt_page, DAMAGED),
    (hurt_unused_index, DAMAGED),
    (cut_short, DAMAGED),
    (emptied, DAMAGED),
    (replaced_by_a_text, DAMAGED),
    (from_the_future, NEWER),
    (unreadable, FORBIDDEN),
    (unwritable, FORBIDDEN),
]


def modes_count() -> bool:
    return os.geteuid() != 0 or shutil.which(UNPRIVILEGED[0]) is not None


class Refusal(NamedTuple):
    """How a start ended, and whether it left the store alone."""

    store: Path
    status: int
    lines: list[str]
    is_untouched: bool


def try_to_start(seed: Seed, folder: Path, hurt: Callable[[Path], None], program: Sequence[str]) -> Refusal:
    data = folder / hurt.__name__
    data.mkdir()
    store = data / FILE_NAME
    shutil.copy(seed.file, store)
    hurt(store)
    before = store.read_bytes()
    told = ("--data", str(data), "--bus", f"ipc://{data}/bus", "--log-format", "console")
    status, lines = refused_start(*told, program=program)
    return Refusal(store, status, lines, store.read_bytes() == before)


@pytest.fixture(scope="module")
def refusals(seed: Seed) -> dict[Callable[[Path], None], Refusal]:
    """Every one of them; side by side, since most of it is waiting."""

    def start(hurt: Callable[[Path], None], advice: str) -> Refusal:
        program = (*UNPRIVILEGED, *MODULE) if advice is FORBIDDEN and os.geteuid() == 0 else MODULE
        return try_to_start(seed, Path(folder), hurt, program)

    possible = [(hurt, advice) for hurt, advice in REFUSED if advice is not FORBIDDEN or modes_count()]
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder, ThreadPoolExecutor(4) as pool:
        found = pool.map(start, *zip(*possible, strict=True))
        return dict(zip((hurt for hurt, _ in possible), found, strict=True))


@pytest.mark.parametrize(("hurt", "advice"), REFUSED, ids=[hurt.__name__ for hurt, _ in REFUSED])
def test_a_store_that_cannot_be_used_is_refused_in_one_line_and_left_alone(
    refusals: dict[Callable[[Path], None], Refusal], hurt: Callable[[Path], None], advice: str
) -> None:
    if hurt not in refusals:
        pytest.skip(f"root may read everything, and {UNPRIVILEGED[0]} is not installed")
    store, status, lines, is_untouched = refusals[hurt]
    assert status == 1, lines
    said = [line for line in lines if line.startswith("rushes: ")]
    assert len(said) == 1, lines
    assert str(store) in said[0]
    assert advice in said[0]
    assert lines[-1] == said[0]
    assert "Traceback" not in "".join(lines)
    assert is_untouched


# ---------------------------------------------------------------- later


@pytest.fixture
def daemon(seed: Seed) -> Iterator[Tried]:
    """Serves the seed, and has no time to look through a store before it does."""

    def plant(found: Tried) -> None:
        found.data.mkdir()
        shutil.copy(seed.file, found.store)

    program = (sys.executable, "-P", "-c", WITHOUT_TIME)
    with tried(slots=1, program=program, before=plant, expects={"store_damaged", "store_unavailable"}) as found:
        yield found


@contextmanager
def damaged(daemon: Tried, page: int) -> Iterator[None]:
    """Within, a page of the store is lost."""
    sound = read_page(daemon.store, page)
    write_page(daemon.store, page, bytes(PAGE_BYTES))
    yield
    write_page(daemon.store, page, sound)


def await_end(daemon: Tried, child: Child) -> None:
    """The daemon ends by itself, because its store is damaged, and its child runs on."""
    said = len(daemon.lines("store_damaged"))
    assert daemon.ended() == 1
    lines = daemon.lines("store_damaged")[said:] or daemon.lines("store_damaged")[-1:]
    assert all(str(daemon.data / FILE_NAME) in line["error"] and DAMAGED in line["error"] for line in lines)
    assert daemon.log_lines()[-1]["event"] == "daemon_stopped"
    assert child.ffmpeg.pid in {member.pid for member in child.members()}


def test_damage_that_is_found_while_it_serves_ends_the_daemon_and_no_job(daemon: Tried, seed: Seed) -> None:
    job_id = daemon.rendering(lasting(daemon.out / "running.mp4"))
    child = daemon.child(job_id)
    # What the look at the start had no time for is found beside the work.
    daemon.kill9()
    with damaged(daemon, middle_leaf(seed.file, "events")):
        daemon.launch()
        await_end(daemon, child)
    assert len(daemon.lines("store_damaged")) == 1
    # What comes later is found by whoever meets it: the Archive, the Queue, and the Queue in a transaction.
    hit = seed.jobs[JOBS // 2]
    meetings: list[tuple[str, str, Map]] = [
        ("events", "events", {"limit": 1000}),
        ("jobs", "get", {"job_id": hit, "wait": 1}),
        ("jobs", "cancel", {"job_id": hit}),
    ]
    for number, (table, kind, fields) in enumerate(meetings, start=2):
        daemon.start()
        assert daemon.child(job_id).ffmpeg.pid == child.ffmpeg.pid
        with damaged(daemon, middle_leaf(seed.file, table)):
            assert daemon.refusal(kind, **fields)["code"] == "unavailable"
            await_end(daemon, child)
        assert len(daemon.lines("store_damaged")) >= number
    # With every page as it was, the next daemon takes over as if nothing had been.
    daemon.start()
    assert daemon.child(job_id).ffmpeg.pid == child.ffmpeg.pid
    assert daemon.result("cancel", job_id=job_id, wait=30)["job"]["status"] == "cancelled"
    assert daemon.has_gapless_seq()

"""How the model becomes lines: within their room, cleaned, filtered; and which lines a small screen shows."""

import time
from collections.abc import Iterator
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bus.messages import PauseView, ResourceView, WaitingView
from cli.table import width
from cli.top import banner, moves
from cli.top.disks import folders, measure
from cli.top.lines import as_text
from cli.top.model import Model
from cli.top.moves import Move
from cli.top.rows import Piece, feed, fits, sections
from cli.top.window import allot, scrolled
from tests.support.views import at, cancelled, event, failed, job_view, output_view, status_result

HOSTILE = "\x1b[31m[bold]x[/bold]\x07\u202e\n"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times as a reader in UTC sees them."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def said(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


def lines(model: Model, wanted: str = "", room: int = 80) -> list[str]:
    """All lines that are shown of a model's jobs."""
    return [said(row.pieces) for section in sections(model, wanted, room) for row in section.rows]


def busy() -> Model:
    """One job of each kind."""
    model = Model()
    current = output_view("/out/b.mp4", index=1, status="rendering", speed=2.5, eta=65.0)
    done = output_view("/out/a.mp4", status="completed", size=1000)
    model.take_running(
        [job_view("running", done, current, name="Feature", status="processing", phase="rendering", progress=0.75)]
    )
    model.take_queue([job_view("waiting", priority=5, position=1, session="dailies")])
    model.take_ended(
        [
            failed("failing", "bad_args", "no such option"),
            cancelled("stopped", "wrong LUT", "kim"),
            job_view("finished", done, status="completed", finished_at=at("03:02:00")),
        ]
    )
    model.take_status(status_result(1, processing=1, queued=1, completed=1, failed=1, cancelled=1))
    return model


def test_each_kind_of_job_says_what_matters_of_it() -> None:
    assert lines(busy()) == [
        "runningx  ━━━━━━━───  75%    2.5x     -1:05  2/2 b.mp4 (Feature)",
        "waitingx        1  prio 5      waiting.mp4",
        "failingx  03:05:00  failed     failing.mp4: bad_args: no such option",
        "stoppedx  03:04:01  cancelled  stopped.mp4: wrong LUT, by kim",
        "finished  03:02:00  completed  a.mp4  1.0 kB",
    ]


def test_a_job_that_stops_says_so_in_the_place_of_its_speed() -> None:
    model = Model()
    model.take_running([job_view("running", status="processing", phase="stopping", progress=0.2)])
    assert lines(model) == ["runningx  ━━────────  20%  stopping          running.mp4"]


def test_of_a_length_that_is_not_known_it_says_how_much_there_is() -> None:
    model = Model()
    output = output_view("/out/a.mp4", status="rendering", speed=12.0, size=34_500_000)
    model.take_running([job_view("running", output, status="processing", phase="rendering")])
    assert lines(model) == ["runningx  ──────────          12x   34.5 MB  a.mp4"]


@pytest.mark.parametrize("room", [20, 40, 80, 200])
def test_no_line_is_longer_than_its_room_and_none_can_command_a_terminal(room: int) -> None:
    model = busy()
    long = HOSTILE * 20
    model.take_queue([job_view("hostile", name=long, priority=-1000, position=1_000_000)])
    model.take_ended([failed("bad", long, long), cancelled("gone", long, long)])
    model.take(event(2, "job.submitted", "else", by=long, name=long, priority=0, outputs=[long]))
    model.take(event(3, "daemon.disk_low", folder=long, free=1, floor=2))
    disks = [banner.Disk(long, 5)]
    shown = [
        *lines(model, room=room),
        *map(said, feed(list(model.feed), model, 10, room)),
        said(banner.headline(model, long, room)),
        said(banner.state(model, disks, long, room)),
    ]
    for line in shown:
        assert width(line) <= room
        assert line.isprintable(), line


def test_nor_can_what_comes_to_a_dialog_without_having_been_cut() -> None:
    assert as_text([(Piece(HOSTILE),)]).plain == "␛[31m[bold]x[/bold]␇�␊"


def test_a_filter_means_the_id_or_a_part_of_name_session_or_file() -> None:
    job = job_view("abcd", output_view("/folder/Film.mp4"), name="Feature", session="dailies")
    assert all(fits(job, wanted) for wanted in ("abc", "ABC", "eat", "film", "daili"))
    assert not any(fits(job, wanted) for wanted in ("bcd", "folder", "zzz"))
    assert lines(busy(), "dail") == ["waitingx        1  prio 5      waiting.mp4"]
    assert {section.empty for section in sections(busy(), "zzz", 80)} == {"nothing here fits 'zzz'"}


def test_the_queue_says_how_much_of_it_is_listed_and_whether_it_is_held() -> None:
    model = Model()
    model.take_status(status_result(1, queued=1_000_000))
    model.take(event(2, "daemon.draining"))
    heading = said(sections(model, "", 80)[1].heading)
    assert heading == "QUEUE    first 100 of 1,000,000, none starts"


def test_events_are_lines_with_the_job_as_people_call_it() -> None:
    model = busy()
    model.take(event(2, "job.signalled", "running", stage="SIGTERM", index=0, after=2.0))
    model.take(event(3, "daemon.draining", by="kim"))
    assert [said(line) for line in feed(list(model.feed), model, 5, 80)] == [
        "03:10:00  runningx  signalled         Feature  SIGTERM, output 0, after 2.0s",
        "03:10:00  daemon    draining          by kim",
    ]
    assert len(feed(list(model.feed), model, 1, 80)) == 1
    assert feed(list(model.feed), model, 0, 80) == []


# ---------------------------------------------------------------- above and below


def test_the_worst_is_said_first_and_alone() -> None:
    model = busy()
    model.take(event(2, "daemon.disk_low", folder="/out", free=5_000_000, floor=100_000_000))
    model.take(event(3, "daemon.draining"))
    disks = [banner.Disk("/out", 5_000_000)]
    assert said(banner.state(model, disks, "", 200)) == (
        "DISK LOW: /out has 5.0 MB, its jobs wait for 100 MB   DRAINING: no further job starts   /out has 5.0 MB free"
    )
    model.silent_since = "03:12:00"
    alone = said(banner.state(model, disks, "", 80))
    assert alone == "No daemon answers since 03:12:00: below is how it stood then. Waiting for it."


@pytest.mark.parametrize(
    ("mode", "means"),
    [
        ("stop", ": what runs is queued again"),
        ("drain", ", once running jobs have ended"),
        ("leave", ": FFmpeg runs on"),
        ("other", ""),
    ],
)
def test_an_ordered_stop_says_what_becomes_of_what_runs(mode: str, means: str) -> None:
    model = busy()
    model.take(event(2, "daemon.stopping", mode=mode, signal=None))
    assert said(banner.state(model, [], "", 80)).startswith(f"THE DAEMON STOPS{means}")


def test_a_job_that_waits_for_room_tells_of_a_disk_whose_event_was_before_our_time() -> None:
    model = Model()
    model.take(event(1, "daemon.disk_low", folder="/out", free=5, floor=100))
    model.take_queue([job_view("waits", waiting=WaitingView("disk", "waits for room in /out"))])
    assert "/out has 5 B" in said(banner.state(model, [], "", 80))
    model.take(event(2, "daemon.started"))
    assert said(banner.state(model, [], "", 80)) == "DISK LOW: waits for room in /out"
    model.take_queue([])
    assert said(banner.state(model, [], "", 80)) == ""


def test_where_there_is_no_room_the_counts_stay() -> None:
    assert said(banner.headline(busy(), "ipc:///run/rushes", 80)).endswith("1/4 slots  1 queued")
    assert said(banner.headline(busy(), "ipc:///" + "long/" * 20, 80)).endswith("1/4 slots  1 queued")


def test_all_keys_fit_a_line_of_eighty_and_those_without_a_use_are_dim() -> None:
    model = busy()
    queued, ended = model.queue[0], next(iter(model.ended.values()))
    assert len(said(banner.keys(model, queued))) <= 80
    assert "Go on" in said(
        banner.keys(model, job_view("held", paused=PauseView("kim", at("03:00:00"), released=False)))
    )

    def dim(job: object) -> set[str]:
        pieces = banner.keys(model, job)  # type: ignore[arg-type]
        return {piece.text.strip() for piece in pieces if piece.style == "dim"}

    assert dim(queued) == {"r", "Retry"}
    assert dim(ended) == {"c", "Cancel", "p", "Pause", "f+-", "Move"}
    assert {"c", "d", "l"} <= dim(None)
    model.take(event(2, "daemon.draining"))
    assert "Resume" in said(banner.keys(model, None))
    assert len(said(banner.keys(model, queued))) <= 80


def test_slots_are_those_that_the_running_jobs_take() -> None:
    model = Model()
    paused = PauseView("kim", at("03:00:00"), released=True)
    model.take_running(
        [
            job_view("a", status="processing", resources={"cpu": 2, "nvenc": 1}),
            job_view("b", status="processing", resources={"cpu": 1}),
            job_view("c", status="processing", resources={"cpu": 4}, paused=paused),
        ]
    )
    model.take_status(status_result(1, processing=3))
    assert said(banner.headline(model, "ipc:///b", 80)).endswith("3/4 slots  0 queued")
    resources = {"cpu": ResourceView(8, 3), "nvenc": ResourceView(2, 1)}
    model.take_status(replace(status_result(1, processing=3), resources=resources))
    assert said(banner.headline(model, "ipc:///b", 80)).endswith("cpu 3/8  nvenc 1/2  0 queued")


# ---------------------------------------------------------------- windows


@given(st.lists(st.integers(1, 300), min_size=3, max_size=3), st.integers(0, 100))
def test_all_of_the_screen_is_used_and_nobody_gets_more_than_he_has(lengths: list[int], height: int) -> None:
    given_ = allot(lengths, height)
    assert all(0 <= part <= length for part, length in zip(given_, lengths, strict=True))
    assert sum(given_) == min(height, sum(lengths))
    if height >= len(lengths):
        assert all(given_)


@given(st.integers(1, 50), st.integers(1, 20), st.lists(st.integers(0, 49), min_size=1))
def test_the_chosen_line_is_always_seen(length: int, height: int, walk: list[int]) -> None:
    tops = accumulate(walk, lambda top, chosen: scrolled(top, min(chosen, length - 1), length, height), initial=0)
    before = 0
    for chosen, top in zip(walk, list(tops)[1:], strict=True):
        assert top <= min(chosen, length - 1) < top + height
        if before <= min(chosen, length - 1) < before + height:
            assert top == min(before, max(0, length - height)), "nothing moves without need"
        before = top
        assert top <= max(0, length - height)


# ---------------------------------------------------------------- moves


def test_the_first_place_is_taken_by_going_to_the_front() -> None:
    assert moves.up(job_view("b", position=2), job_view("a", position=1)) == [Move(front=True)]


def test_up_tries_the_others_priority_only_where_an_earlier_submission_may_be_enough() -> None:
    above = job_view("a", position=2, priority=3, created_at=at("02:00:00"))
    earlier = job_view("b", priority=1, created_at=at("01:00:00"))
    later = job_view("c", priority=1, created_at=at("02:30:00"))
    same = job_view("d", priority=3, created_at=at("01:00:00"))
    assert moves.up(earlier, above) == [Move(priority=3), Move(priority=4)]
    assert moves.up(later, above) == moves.up(same, above) == [Move(priority=4)]


def test_down_tries_the_others_priority_only_where_a_later_submission_may_be_enough() -> None:
    below = job_view("a", priority=0, created_at=at("02:00:00"))
    fronted = job_view("b", priority=0, created_at=at("02:30:00"))
    earlier = job_view("c", priority=0, created_at=at("01:00:00"))
    assert moves.down(fronted, below) == [Move(priority=0), Move(priority=-1)]
    assert moves.down(earlier, below) == [Move(priority=-1)]


# ---------------------------------------------------------------- disks


def test_each_disk_is_measured_once_and_what_is_not_here_is_left_out(tmp_path: object) -> None:
    jobs = [job_view("a", output_view(f"{tmp_path}/a.mp4")), job_view("b", output_view("/no/such/folder/b.mp4"))]
    wanted = folders(jobs)
    assert wanted == [str(tmp_path), "/no/such/folder"]
    [disk] = measure([*wanted, f"{tmp_path}/."])
    assert disk.folder == str(tmp_path)
    assert disk.free > 0

"""The screens of `rushes top` as pictures, of a model with fixed jobs and times.

After a change that is meant: `pytest tests/unit/test_top_snapshots.py --snapshot-update`, and look at what it made.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]
from textual.pilot import Pilot
from textual.widgets import Input

from cli.top import banner
from cli.top.app import Top
from cli.top.model import Model
from tests.support.views import at, cancelled, event, failed, job_view, output_view, status_result

SVGImageExtension.file_extension = "svg"
"""It is named `_file_extension` there, which syrupy no longer reads; else the pictures end in `.raw`."""

SMALL, LARGE = (80, 24), (140, 45)

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times as a reader in UTC sees them, on a terminal with colours."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def model() -> Model:
    """A daemon that is busy: two jobs run, one stops, several wait, some have ended."""
    model = Model()
    model.take_running(
        [
            job_view(
                "k7m2film",
                output_view("/renders/film-2160p.mov", status="completed", size=52_000_000_000),
                output_view("/renders/film-1080p.mp4", index=1, status="rendering", speed=3.21, eta=754.0),
                output_view("/renders/film-proxy.mp4", index=2),
                name="Feature film", session="reel 4", status="processing", phase="rendering", progress=0.62,
                started_at=at("03:00:10"),
            ),
            job_view(
                "p3qatrai", output_view("/renders/trailer.mp4", status="rendering", speed=0.84, eta=4210.0),
                status="processing", phase="rendering", progress=0.07, started_at=at("03:02:00"),
            ),
            job_view("w9zzstop", status="processing", phase="stopping", progress=0.4, started_at=at("03:03:00")),
        ]
    )  # fmt: skip
    model.take_queue(
        [
            job_view("urgentpr", name="Promo for the morning show", priority=50, position=1),
            *(job_view(f"daily{n:03}", name=f"Dailies, card {n}", position=n + 1) for n in range(1, 13)),
            job_view("日本語のx", name="予告編 第二話 完成版", position=14),
            job_view("hostilex", name="[bold red]not markup[/] \x1b[2J", position=15),
        ]
    )
    model.take_ended(
        [
            failed("bad1args", "unknown_encoder", "this FFmpeg has no encoder 'libx266'", name="Archive master"),
            cancelled("stopped1", "wrong LUT", "kim"),
            job_view(
                "finished", output_view("/renders/intro.mp4", status="completed", size=48_200_000), name="Intro",
                status="completed", finished_at=at("03:02:41"),
            ),
        ]
    )  # fmt: skip
    happened = [
        event(1, "job.submitted", "daily012", by="kim", name="Dailies, card 12", priority=0, outputs=[]),
        event(2, "job.boosted", "urgentpr", by="kim", priority=50, was=0, front=False),
        event(3, "job.cancelling", "w9zzstop", by="alex", reason="frame rate is wrong", notes=None),
        event(4, "job.signalled", "w9zzstop", stage="q", index=0, after=0.0),
    ]
    for one in happened:
        model.take(one)
    model.take_status(status_result(4, processing=3, queued=15, completed=120, failed=3, cancelled=2))
    return model


class Still(Top):
    """It shows a model as it is, and a disk of always the same size."""

    def __init__(self, model: Model) -> None:
        super().__init__("ipc:///run/rushes", model, live=False)
        self._disks = [banner.Disk("/renders", 1_234_000_000_000)]


def fields(**values: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Opens the question, and fills its fields."""

    async def fill(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        await pilot.press("c")
        await pilot.pause()
        for name, value in values.items():
            pilot.app.screen.query_one(f"#{name}", Input).value = value

    return fill


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_jobs(snap_compare: Compare, model: Model, size: tuple[int, int]) -> None:
    assert snap_compare(Still(model), terminal_size=size)


def test_a_silent_daemon(snap_compare: Compare, model: Model) -> None:
    model.silent_since = "03:12:07"
    assert snap_compare(Still(model), press=["down"], terminal_size=SMALL)


def test_a_low_disk_while_draining(snap_compare: Compare, model: Model) -> None:
    model.take(event(5, "daemon.disk_low", folder="/renders", free=80_000_000, floor=100_000_000))
    model.take(event(6, "daemon.draining", by="kim"))
    assert snap_compare(Still(model), terminal_size=SMALL)


def test_nothing_at_all(snap_compare: Compare) -> None:
    model = Model()
    model.take_status(status_result(0))
    assert snap_compare(Still(model), terminal_size=SMALL)


def test_a_filter(snap_compare: Compare, model: Model) -> None:
    assert snap_compare(Still(model), press=["slash", *"card"], terminal_size=SMALL)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_cancel_asks(snap_compare: Compare, model: Model, size: tuple[int, int]) -> None:
    filled = fields(reason="frame rate is wrong", notes="The editor sends another master at noon.")
    assert snap_compare(Still(model), run_before=filled, terminal_size=size)


def test_delete_asks(snap_compare: Compare, model: Model) -> None:
    assert snap_compare(Still(model), press=["d"], terminal_size=SMALL)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_help(snap_compare: Compare, model: Model, size: tuple[int, int]) -> None:
    assert snap_compare(Still(model), press=["question_mark"], terminal_size=size)

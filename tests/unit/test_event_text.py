"""What an event says to people, where a real daemon would need a full disk or a day to say it."""

import re
from pathlib import Path

import pytest

from bus.messages import Event
from cli.event_text import details
from cli.events import KNOWN

PROTOCOL = Path(__file__).parents[2] / "bus" / "PROTOCOL.md"

ERROR = {"code": "killed", "message": "FFmpeg was killed", "retryable": True, "remedy": None}


def event(kind: str, by: str | None = None, **data: object) -> Event:
    at = "2026-11-26T03:00:00.000000Z"
    return Event(seq=7, at=at, type=kind, job_id=None, session=None, by=by, command_id=None, data=data)


def test_every_type_of_the_protocol_but_the_heartbeat_is_known() -> None:
    rows = [line for line in PROTOCOL.read_text().splitlines() if re.match(r"\| `(job|daemon)\.\w+`", line)]
    types = {name for row in rows for name in re.findall(r"`((?:job|daemon)\.\w+)`", row.split("|")[1])}
    assert types - {"daemon.heartbeat"} == set(KNOWN)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            event("daemon.disk_low", folder="/out", free=12_000_000, floor=100_000_000),
            "12.0 MB left, 100 MB needed on /out",
        ),
        (event("daemon.disk_ok", folder="/out", free=2_000_000_000), "2.0 GB on /out"),
        (event("daemon.actor_restarted", address="render.a", error="KeyError: 1"), "render.a: KeyError: 1"),
        (event("daemon.stopping", mode="drain", signal=None, by="ann"), "by ann, drain"),
        (
            event("daemon.slots", by="ann", slots={"cpu": 4, "nvenc": 2}, was={"cpu": 8}),
            "by ann, cpu=4 nvenc=2, before cpu=8",
        ),
        (event("job.paused", by="ann", released=False), "by ann"),
        (event("job.paused", by="ann", released=True), "by ann, its slots are free"),
        (event("job.unpaused", by="ann"), "by ann"),
        (event("job.requeued", why="stop"), "the daemon stopped it"),
        (event("job.requeued", why="recovery"), "its run was lost"),
        (event("job.requeued", why="disk"), "no room on its disk"),
        (event("job.requeued", why="retry", by="ann"), "by ann, retry"),
        (event("job.requeued", why="moon"), "moon"),
        (
            event("job.requeued", why="attempt", attempt=2, not_before=None, error=ERROR),
            "again at once, killed: FFmpeg was killed, attempt 2",
        ),
        (event("job.boosted", by="ann", priority=5, was=0, front=False), "by ann, priority 0 to 5"),
        (event("job.boosted", by="ann", priority=0, was=0, front=True), "by ann, to the front, priority 0"),
        (
            event("job.deleted", by="ann", removed=["/a", "/b"], missing=["/c"], failed=[], status="completed"),
            "by ann, 2 files removed, 1 file missing",
        ),
        (
            event("job.expired", why="ttl", removed=["/a"], missing=[], failed=[], status="completed"),
            "its time was over, 1 file removed",
        ),
        (event("job.expired", why="max_bytes", removed=[], missing=[], failed=[], status="completed"), "to make room"),
        (
            event("job.progress", progress=0.426, phase="rendering", speed=3.21, eta=12.4),
            "42%, rendering, 3.21x, 0:12 left",
        ),
        (event("job.progress", progress=None, phase="starting", speed=None, eta=None), "starting"),
        (
            event("job.output_completed", index=0, path="/a/b.bin", size=1500, width=None, verify="none"),
            "#0 b.bin, 1.5 kB, not verified",
        ),
    ],
)
def test_it_says_what_matters(told: Event, said: str) -> None:
    assert details(told) == said


def test_a_kind_of_a_newer_daemon_says_its_plain_values() -> None:
    told = event("job.frozen", by="ann", slot=3, why="too warm", parts=[1, 2], more={"a": 1}, until=None)
    assert details(told) == "by ann, slot 3, why too warm"


@pytest.mark.parametrize(
    ("after", "said"),
    [(0.04, "0.0s"), (0.61, "0.6s"), (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m00s"), (192, "3m12s"), (3725, "1h02m"),
     (-5, "0.0s")],
)  # fmt: skip
def test_how_long_something_took_is_said_in_two_units_at_the_most(after: float, said: str) -> None:
    job = {"started_at": "2026-11-26T03:00:00.000000Z", "total_outputs": 1}
    end = f"2026-11-26T{3 + int(after // 3600):02}:{int(after // 60) % 60:02}:{after % 60:09.6f}Z"
    if after < 0:
        end = "2026-11-26T02:59:55.000000Z"
    failed = event("job.failed", job=job, error=ERROR, index=0, stop=None)
    told = Event(**{name: getattr(failed, name) for name in failed.__struct_fields__ if name != "at"}, at=end)
    assert details(told) == f"killed: FFmpeg was killed, after {said}"
